import Foundation
import Synchronization

/// The entry of libFuzzer. `PATCHBAY_FUZZ_TARGET` names the target; into the folder `PATCHBAY_FUZZ_SEEDS`, where it is
/// set, its seeds are written first.
private let target: FuzzTarget? = {
    let name = ProcessInfo.processInfo.environment["PATCHBAY_FUZZ_TARGET"] ?? ""
    return FuzzTarget.all.first { $0.name == name }
}()

@_cdecl("LLVMFuzzerInitialize")
public func initialize(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
) -> CInt {
    guard let target else {
        print("PATCHBAY_FUZZ_TARGET is one of: \(FuzzTarget.all.map(\.name).joined(separator: " "))")
        exit(2)
    }
    guard let folder = ProcessInfo.processInfo.environment["PATCHBAY_FUZZ_SEEDS"] else { return 0 }
    for (number, seed) in target.seeds().enumerated() {
        let file = URL(filePath: folder).appending(path: "seed-\(number)")
        // Then it begins with one seed less.
        try? Data(seed).write(to: file)
    }
    return 0
}

/// The outcome of one input, from the task that runs it to the thread that waits for it.
private final class Outcome: Sendable {
    let problem = Mutex<String?>(nil)
    let isDone = DispatchSemaphore(value: 0)
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard let target else { return 0 }
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    let outcome = Outcome()
    Task {
        do { try await target.run(input) } catch { outcome.problem.withLock { $0 = "\(error)" } }
        outcome.isDone.signal()
    }
    outcome.isDone.wait()
    guard let problem = outcome.problem.withLock({ $0 }) else { return 0 }
    // A trap is how the fuzzer is told; this program is built by scripts/fuzz alone, and is no part of the product.
    fatalError("\(target.name): it is not so that \(problem)")
}
