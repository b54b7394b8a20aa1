/// A platform that can be asked on behalf of an account that is connected to it.
public protocol AccountCallable: Connectable {
    /// `https://open.tiktokapis.com`, unless the operator names another address for the platform.
    var accountHost: String { get }
    /// Why an answer is no success; nil when it is one. The only reader of the platform's error codes.
    func failure(in answer: Answer, at now: Timestamp) -> Failure?
}
