/// A platform where people let us act for an account of theirs.
///
/// One flow serves all of them: what a platform does in its own way is said in its description, as data.
public protocol Connectable: Provider {
    var oauth: OAuth2 { get }
}
