//! Who may ask: whoever shows a token of a file, `Authorization: Bearer TOKEN`; a browser, which asks a person for a password, as
//! that (RFC 7617).
//!
//! The file has one token a line. It is read anew for each request that shows one, so that a token is given and taken back
//! without a restart, and it lets nobody in as long as it cannot be read.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::map_request;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};
use tracing::{info, warn};

use crate::printable::printable;

/// The longest file, in bytes. It bounds what a request costs.
const MOST_BYTES: u64 = 64 << 10;
/// A shorter token could be guessed, in characters.
const SHORTEST: usize = 16;

type Digest = [u8; 32];

/// The tokens of a file. Clones are the same ones.
#[derive(Debug, Clone)]
pub struct Tokens(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    known: Mutex<Known>,
}

/// What is known of the file. Of a token that is its digest alone: nothing that is printed or compared has the token itself.
#[derive(Debug)]
struct Known {
    /// Of the content that was read last.
    content: Digest,
    tokens: Result<Vec<Digest>, String>,
}

/// How a token is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// `Authorization: Bearer TOKEN`.
    ByPrograms,
    /// That, or as the password of any user.
    ByBrowsersToo,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refused {
    /// No token was shown, or in none of these ways.
    NotShown(Shown),
    /// None of the file's.
    Unknown(Shown),
    /// Nobody can tell.
    Unreadable,
}

impl Tokens {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is no token.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, String> {
        let path = path.into();
        let known = Known::of(read(&path));
        if let Err(why) = &known.tokens {
            return Err(format!("cannot take tokens from {}: {why}", path.display()));
        }
        Ok(Self(Arc::new(Inner { path, known: Mutex::new(known) })))
    }

    /// Lets only those in to these routes who show one of the tokens.
    pub fn guard(self, routes: Router) -> Router {
        self.guard_by(Shown::ByPrograms, routes)
    }

    /// The same for routes that people look at: a browser shows a token as the password of any user.
    pub fn guard_for_browsers(self, routes: Router) -> Router {
        self.guard_by(Shown::ByBrowsersToo, routes)
    }

    fn guard_by(self, how: Shown, routes: Router) -> Router {
        routes.layer(map_request(move |request: Request| {
            let admitted = self.admit(how, request.headers()).map(|()| request);
            async move { admitted }
        }))
    }

    fn admit(&self, how: Shown, headers: &HeaderMap) -> Result<(), Refused> {
        let shown = shown(how, headers).ok_or(Refused::NotShown(how))?;
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.renew(read(&self.0.path), &self.0.path);
        match &known.tokens {
            Ok(tokens) if is_among(tokens, &shown) => Ok(()),
            Ok(_) => Err(Refused::Unknown(how)),
            Err(_) => Err(Refused::Unreadable),
        }
    }
}

impl Known {
    fn of(content: io::Result<Vec<u8>>) -> Self {
        match content {
            Ok(bytes) => Self { content: digest(&bytes), tokens: tokens(&bytes) },
            Err(why) => Self { content: Digest::default(), tokens: Err(printable(&why.to_string())) },
        }
    }

    /// Takes what was read now, and says once what has become of it.
    fn renew(&mut self, content: io::Result<Vec<u8>>, path: &Path) {
        if content.as_ref().is_ok_and(|bytes| digest(bytes) == self.content) {
            return;
        }
        let now = Self::of(content);
        match (&now.tokens, &self.tokens) {
            (Ok(tokens), _) => {
                info!("{} has changed; from now on it lets in {} tokens", path.display(), tokens.len());
            }
            (Err(why), Err(before)) if why == before => {}
            (Err(why), _) => warn!("nobody is let in: cannot take tokens from {}: {why}", path.display()),
        }
        *self = now;
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The tokens in a file, of which there is at least one. Empty lines, and such as begin with `#`, are none.
fn tokens(content: &[u8]) -> Result<Vec<Digest>, String> {
    if content.len() as u64 > MOST_BYTES {
        return Err(format!("it is longer than {MOST_BYTES} bytes"));
    }
    let text = std::str::from_utf8(content).map_err(|_| "it is no text".to_owned())?;
    let lines = (1..).zip(text.lines().map(str::trim));
    let tokens = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(number, line)| {
        if !is_token(line) {
            let wanted = "letters, digits and - . _ ~ + /, and = at its end";
            return Err(format!("line {number} is no token; expected {wanted}"));
        }
        if line.len() < SHORTEST {
            return Err(format!(
                "line {number} has {} characters; expected at least {SHORTEST}, such as `openssl rand -hex 32` prints",
                line.len()
            ));
        }
        Ok(digest(line.as_bytes()))
    });
    let tokens: Vec<Digest> = tokens.collect::<Result<_, _>>()?;
    if tokens.is_empty() {
        return Err("there is no token in it; expected one a line".to_owned());
    }
    Ok(tokens)
}

/// Whether it has the characters of RFC 6750.
fn is_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let allowed = |c: u8| c.is_ascii_alphanumeric() || b"-._~+/".contains(&c);
    !body.is_empty() && body.bytes().all(allowed)
}

/// The token that a request shows: in one header, and in no other way.
fn shown(how: Shown, headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (one, None) = (all.next()?, all.next()) else { return None };
    let (scheme, shown) = one.to_str().ok()?.split_once(' ')?;
    let shown = shown.trim();
    let token = if scheme.eq_ignore_ascii_case("bearer") {
        Cow::Borrowed(shown)
    } else if scheme.eq_ignore_ascii_case("basic") && how == Shown::ByBrowsersToo {
        let (_, password) = BASE64.decode(shown).ok().and_then(|pair| {
            let pair = String::from_utf8(pair).ok()?;
            pair.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
        })?;
        Cow::Owned(password)
    } else {
        return None;
    };
    (!token.is_empty()).then_some(token)
}

fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// Takes as long whichever it is and however much of it is right: digests are compared, all of them, to their ends.
fn is_among(tokens: &[Digest], shown: &str) -> bool {
    let shown = digest(shown.as_bytes());
    let differs = |token: &Digest| token.iter().zip(&shown).fold(0, |all, (one, other)| all | (one ^ other));
    tokens.iter().fold(false, |found, token| found | (differs(token) == 0))
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        // A browser asks a person for what stands first, and knows no Bearer.
        let challenge = |how, bearer| match how {
            Shown::ByPrograms => bearer,
            Shown::ByBrowsersToo => {
                "Basic realm=\"pipeline: any user, the token as the password\", charset=\"UTF-8\""
            }
        };
        let (status, challenge, why) = match self {
            Self::NotShown(how) => (
                StatusCode::UNAUTHORIZED,
                challenge(how, "Bearer realm=\"pipeline\""),
                "a token is wanted: the header Authorization: Bearer TOKEN",
            ),
            Self::Unknown(how) => (
                StatusCode::UNAUTHORIZED,
                challenge(how, "Bearer realm=\"pipeline\", error=\"invalid_token\""),
                "this token is not known here",
            ),
            Self::Unreadable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "",
                "the tokens that are let in cannot be read; try again, or ask whoever runs this: the log says why",
            ),
        };
        let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
        let body = serde_json::json!({ "error": why }).to_string();
        let mut response = (status, headers, body).into_response();
        if challenge.is_empty() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        } else {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::http::Listener;

    const ONE: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "another-token~+/==";

    #[test]
    fn a_file_has_a_token_a_line_or_says_what_is_wrong_with_it() {
        for (text, count) in [
            (format!("{ONE}\n"), Ok(1)),
            (format!("# of the shop\n{ONE}\r\n\n  {OTHER}"), Ok(2)),
            (String::new(), Err("there is no token in it; expected one a line")),
            ("# none\n\n".to_owned(), Err("there is no token in it; expected one a line")),
            (format!("{ONE}\nsecret"), Err("line 2 has 6 characters; expected at least 16")),
            (
                format!("{ONE} x"),
                Err("line 1 is no token; expected letters, digits and - . _ ~ + /, and = at its end"),
            ),
            ("================".to_owned(), Err("line 1 is no token")),
            ("passwörter-sind-toll".to_owned(), Err("line 1 is no token")),
            ("x".repeat(70_000), Err("it is longer than 65536 bytes")),
        ] {
            match (tokens(text.as_bytes()), count) {
                (Ok(tokens), Ok(count)) => assert_eq!(tokens.len(), count, "{text:?}"),
                (Err(why), Err(wanted)) => {
                    assert!(why.starts_with(wanted), "{why}");
                    assert!(!why.contains("secret"), "{why}");
                }
                (found, wanted) => panic!("{text:?}: {found:?}, expected {wanted:?}"),
            }
        }
        assert_eq!(tokens(b"\xff\xfe").unwrap_err(), "it is no text");
    }

    #[test]
    fn only_a_whole_token_in_the_one_header_is_let_in() {
        let known = tokens(format!("{ONE}\n{OTHER}").as_bytes()).unwrap();
        let admitted_by = |how, values: &[&str]| {
            let mut headers = HeaderMap::new();
            values.iter().for_each(|value| _ = headers.append(AUTHORIZATION, value.parse().unwrap()));
            shown(how, &headers).map(|token| is_among(&known, &token))
        };
        let admitted = |values: &[&str]| {
            let by_programs = admitted_by(Shown::ByPrograms, values);
            assert_eq!(admitted_by(Shown::ByBrowsersToo, values), by_programs, "{values:?}");
            by_programs
        };
        let bearer = |token: &str| format!("Bearer {token}");
        for (values, wanted) in [
            (&[&*bearer(ONE)][..], Some(true)),
            (&[&*bearer(OTHER)], Some(true)),
            (&[&*format!("bearer  {OTHER}")], Some(true)),
            (&[&*bearer(&ONE[1..])], Some(false)),
            (&[&*bearer(&format!("{ONE}0"))], Some(false)),
            (&[&*bearer(&format!("{ONE}\t{OTHER}"))], Some(false)),
            (&["Bearer "], None),
            (&["Bearer"], None),
            (&[ONE], None),
            (&[&*bearer(ONE), &*bearer(ONE)], None),
            (&[], None),
        ] {
            assert_eq!(admitted(values), wanted, "{values:?}");
        }
        let password = |text: &str| format!("Basic {}", BASE64.encode(text));
        for (value, wanted) in [
            (password(&format!("me:{ONE}")), Some(true)),
            (password(&format!(":{OTHER}")).replace("Basic", "basic"), Some(true)),
            (password(&format!("me:{ONE}x")), Some(false)),
            (password(&format!("me:you:{ONE}")), Some(false)),
            (password("me:"), None),
            (password(ONE), None),
            (password(&format!("me:{ONE}"))[..20].to_owned(), None),
            ("Basic ====".to_owned(), None),
        ] {
            assert_eq!(admitted_by(Shown::ByBrowsersToo, &[&value]), wanted, "{value}");
            assert_eq!(admitted_by(Shown::ByPrograms, &[&value]), None, "{value}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_browser_is_told_to_ask_for_a_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        fs::write(&path, ONE).unwrap();
        let routes =
            Tokens::open(&path).unwrap().guard_for_browsers(Router::new().route("/", get(async || "in\n")));
        let listener =
            Listener::bind("test", ([127, 0, 0, 1], 0).into(), crate::admin::LIMITS).await.unwrap();
        let address = listener.address().unwrap();
        let _server = listener.serve(routes).unwrap();
        let (status, said) = asked(address, "").await;
        assert!(status == 401 && said.contains("www-authenticate: Basic realm=\"pipeline"), "{said}");
        let password = format!("authorization: Basic {}\r\n", BASE64.encode(format!("me:{ONE}")));
        assert_eq!(asked(address, &password).await.0, 200);
        assert_eq!(asked(address, &format!("authorization: Bearer {ONE}\r\n")).await.0, 200);
    }

    /// The status, and what is said of it.
    async fn asked(address: std::net::SocketAddr, head: &str) -> (u16, String) {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        (answer[9..12].parse().unwrap(), answer)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_token_is_given_and_taken_back_while_it_is_served() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let why = Tokens::open(&path).unwrap_err();
        assert!(why.starts_with(&format!("cannot take tokens from {}: ", path.display())), "{why}");
        fs::write(&path, ONE).unwrap();
        let tokens = Tokens::open(&path).unwrap();
        assert!(!format!("{tokens:?}").contains(ONE), "no token is printed");
        let routes = tokens.guard(Router::new().route("/", get(async || "in\n")));
        let listener =
            Listener::bind("test", ([127, 0, 0, 1], 0).into(), crate::admin::LIMITS).await.unwrap();
        let address = listener.address().unwrap();
        let server = listener.serve(routes).unwrap();
        let (one, other) = [ONE, OTHER].map(|token| format!("authorization: Bearer {token}\r\n")).into();

        let (status, said) = asked(address, "").await;
        assert!(status == 401 && said.contains("www-authenticate: Bearer realm=\"pipeline\"\r\n"), "{said}");
        assert!(said.contains("{\"error\":\"a token is wanted"), "{said}");
        assert_eq!(asked(address, &one).await.0, 200);
        let (status, said) = asked(address, &other).await;
        assert!(status == 401 && said.contains("error=\"invalid_token\""), "{said}");

        fs::write(&path, OTHER).unwrap();
        assert_eq!((asked(address, &one).await.0, asked(address, &other).await.0), (401, 200));
        for unreadable in ["", "short"] {
            fs::write(&path, unreadable).unwrap();
            let (status, said) = asked(address, &other).await;
            assert!(status == 503 && said.contains("retry-after: 1\r\n"), "{said}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!((asked(address, &other).await.0, asked(address, "").await.0), (503, 401));
        fs::write(&path, format!("{ONE}\n{OTHER}\n")).unwrap();
        assert_eq!((asked(address, &one).await.0, asked(address, &other).await.0), (200, 200));
        server.stop(std::time::Duration::from_secs(1)).await;
    }
}
