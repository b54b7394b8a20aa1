import Foundation

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
private final class Outcome: @unchecked Sendable {
    // Written before the signal, read after it.
    var problem: String?
    let isDone = DispatchSemaphore(value: 0)
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard let target else { return 0 }
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    let outcome = Outcome()
    Task {
        do { try await target.run(input) } catch { outcome.problem = "\(error)" }
        outcome.isDone.signal()
    }
    outcome.isDone.wait()
    guard let problem = outcome.problem else { return 0 }
    fatalError("\(target.name): it is not so that \(problem)")
}
