/// A platform that gives tokens by OAuth 2: to accounts' owners where it is `Connectable`, or to an app of its own.
public protocol TokenGiving: Provider {
    var oauth: OAuth2 { get }
}

/// A platform where people let us act for an account of theirs.
///
/// One flow serves all of them: what a platform does in its own way is said in its description, as data.
public protocol Connectable: TokenGiving {}

/// A platform that is asked with a token of the app's own (RFC 6749, 4.4): app credentials have a client id and secret
/// there, though no account is connected through them.
public protocol AppAsked: TokenGiving, Callable {}
