//! The one reader of the broker's address: pure.
//!
//! `amqp[s]://[user[:password]@]host[:port][/vhost][?option=value&...]`, several with commas. What it does not understand it
//! refuses by the name of the part; it never repeats the text, which may hold a password.

use std::fmt;

/// Where the broker is, and as whom to go there.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Whether the connection is encrypted.
    pub(super) tls: bool,
    /// At least one.
    pub(super) hosts: Vec<Host>,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) vhost: String,
    /// Seconds; 0 switches heartbeats off.
    pub(super) heartbeat: Option<u16>,
    /// Milliseconds.
    pub(super) connection_timeout: Option<u64>,
    /// Bytes.
    pub(super) frame_max: Option<u32>,
    pub(super) channel_max: Option<u16>,
}

/// A machine and a port of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    /// Its name or address, without brackets.
    pub(super) name: String,
    pub(super) port: u16,
}

/// Why a text is no address. It names the part and never repeats it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the RabbitMQ address is not of the form amqp://user:password@host:port/vhost: {part} {problem}")]
pub(super) struct AddressError {
    part: &'static str,
    problem: &'static str,
}

type Read<T> = Result<T, AddressError>;

const fn refused<T>(part: &'static str, problem: &'static str) -> Read<T> {
    Err(AddressError { part, problem })
}

const NO_SCHEME: (&str, &str) = ("the beginning", "is neither amqp:// nor amqps://");
const COMMA: (&str, &str) = (
    "the user name or password",
    "has a comma, which separates addresses; write it as %2C, or use AMQP_PASSWORD_FILE",
);

/// One of the addresses between commas, as far as it says something.
#[derive(Default)]
struct Part {
    tls: Option<bool>,
    user: Option<String>,
    password: Option<String>,
    host: String,
    port: Option<u16>,
    vhost: Option<String>,
    options: Options,
}

#[derive(Default, PartialEq, Eq)]
struct Options {
    heartbeat: Option<u16>,
    connection_timeout: Option<u64>,
    frame_max: Option<u32>,
    channel_max: Option<u16>,
}

impl Address {
    /// Reads an address, or several with commas: the first one's user, password, vhost and options serve all.
    pub(super) fn parse(text: &str) -> Read<Self> {
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return refused(
                "the address",
                "has a blank or a control character; in a name or password, write it as % and two digits",
            );
        }
        let Some((_, first)) = text.split(',').next().and_then(|first| first.split_once("://")) else {
            return refused(NO_SCHEME.0, NO_SCHEME.1);
        };
        let with_user = |part: &str| part.contains('@') && !part.contains("://");
        // Told first: what is cut at a comma of a password looks like a host with a strange port.
        if !first.contains('@') && text.split(',').skip(1).any(with_user) {
            return refused(COMMA.0, COMMA.1);
        }
        let mut parts = text.split(',').map(Part::read).collect::<Read<Vec<_>>>()?;
        let Some(tls) = parts[0].tls else { return refused(NO_SCHEME.0, NO_SCHEME.1) };
        // `a,b/vhost`: what stands behind the last of several hosts is for all of them.
        let hosts = 1 + parts[1..].iter().take_while(|part| part.tls.is_none()).count();
        let says = |part: &Part| part.vhost.is_some() || part.options != Options::default();
        if let Some(behind) = parts[..hosts].iter().position(says) {
            parts[0].vhost = parts[behind].vhost.clone();
            parts[0].options = std::mem::take(&mut parts[behind].options);
        }
        let vhost = parts[0].vhost.clone().unwrap_or_else(|| "/".to_owned());
        let user = parts[0].user.clone().unwrap_or_else(|| "guest".to_owned());
        let password = parts[0].password.clone().unwrap_or_else(|| "guest".to_owned());
        let agrees = |one: &Option<String>, first: &String| one.as_ref().is_none_or(|one| one == first);
        for part in &parts[1..] {
            if part.tls.is_some_and(|other| other != tls) {
                return refused("the beginnings", "differ; all must be amqp:// or all amqps://");
            }
            if !agrees(&part.user, &user) {
                return refused(
                    "the user names",
                    "differ; name the user in the first address only (a comma in a password is written as %2C)",
                );
            }
            if !agrees(&part.password, &password) {
                return refused(
                    "the passwords",
                    "differ; give it in the first address only (a comma in a password is written as %2C)",
                );
            }
            if !agrees(&part.vhost, &vhost) {
                return refused("the vhosts", "differ; name it in the first address only");
            }
            if part.options != Options::default() && part.options != parts[0].options {
                return refused("the options", "differ; give them in the first address only");
            }
        }
        let usual = if tls { 5671 } else { 5672 };
        let host = |part: &Part| Host { name: part.host.clone(), port: part.port.unwrap_or(usual) };
        let hosts = parts.iter().map(host).collect();
        let Options { heartbeat, connection_timeout, frame_max, channel_max } = parts.swap_remove(0).options;
        Ok(Self { tls, hosts, user, password, vhost, heartbeat, connection_timeout, frame_max, channel_max })
    }
}

impl Part {
    fn read(text: &str) -> Read<Self> {
        let (tls, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("amqp") => (Some(false), rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("amqps") => (Some(true), rest),
            Some(_) => return refused(NO_SCHEME.0, NO_SCHEME.1),
            None => (None, text),
        };
        // Where an @ comes after one of these, it stands in the password, and what follows must not be read as a host or
        // vhost, which are shown.
        if let Some((before, _)) = rest.rsplit_once('@') {
            let part = "the user name or password";
            match before.find(['#', '/', '?']).and_then(|at| before[at..].chars().next()) {
                Some('#') => return refused(part, "has a #; write it as %23, or use AMQP_PASSWORD_FILE"),
                Some('/') => {
                    return refused(
                        part,
                        "has a /; write it as %2F, or use AMQP_PASSWORD_FILE (an @ in the vhost is written as %40)",
                    );
                }
                Some(_) => return refused(part, "has a ?; write it as %3F, or use AMQP_PASSWORD_FILE"),
                None => {}
            }
        }
        if rest.contains('#') {
            return refused(
                "the address",
                "has a #, which means nothing here; in a name or password, write it as %23",
            );
        }
        let (rest, options) = match rest.split_once('?') {
            Some((rest, options)) => (rest, Options::read(options)?),
            None => (rest, Options::default()),
        };
        let (authority, vhost) = match rest.split_once('/') {
            Some((authority, vhost)) => (authority, Some(vhost_of(vhost)?)),
            None => (rest, None),
        };
        let mut part = Self { tls, vhost, options, ..Self::default() };
        let place = match authority.rsplit_once('@') {
            Some((who, place)) => {
                let (user, password) = match who.split_once(':') {
                    Some((user, password)) => (user, Some(password)),
                    None => (who, None),
                };
                if user.is_empty() {
                    return refused("the user name", "before the @ is empty");
                }
                part.user = Some(decoded(user, "the user name")?);
                part.password = password.map(|text| decoded(text, "the password")).transpose()?;
                place
            }
            None => authority,
        };
        (part.host, part.port) = host_of(place)?;
        Ok(part)
    }
}

/// What stands behind the host's slash. Nothing is the vhost `/`, as for most clients.
fn vhost_of(text: &str) -> Read<String> {
    if text.contains('/') {
        return refused("the vhost", "has a /; write it as %2F");
    }
    if text.is_empty() {
        return Ok("/".to_owned());
    }
    decoded(text, "the vhost")
}

fn host_of(text: &str) -> Read<(String, Option<u16>)> {
    let (name, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((name, port)) = rest.split_once(']') else {
            return refused("the host", "begins with [ and has no ]");
        };
        if name.parse::<std::net::Ipv6Addr>().is_err() {
            return refused("the host", "in [ and ] is no IPv6 address (one with a zone is not read)");
        }
        match port.strip_prefix(':') {
            Some(port) => (name, Some(port)),
            None if port.is_empty() => (name, None),
            None => return refused("the host", "has something else than a port behind its ]"),
        }
    } else {
        match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return refused(
                    "the host",
                    "has several colons; write an IPv6 address in brackets, as [::1]:5672",
                );
            }
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        }
    };
    if name.is_empty() {
        return refused("the host", "is missing");
    }
    if !name.chars().all(|c| c.is_alphanumeric() || "-._:".contains(c)) {
        return refused("the host", "has a character that no host's name has");
    }
    let port = match port {
        None => None,
        Some(digits) if digits.chars().all(|c| c.is_ascii_digit()) && !digits.is_empty() => {
            match digits.parse::<u16>() {
                Ok(port) if port > 0 => Some(port),
                _ => return refused("the port", "is not between 1 and 65535"),
            }
        }
        Some(_) => return refused("the port", "is not a number"),
    };
    Ok((name.to_owned(), port))
}

impl Options {
    fn read(text: &str) -> Read<Self> {
        let mut options = Self::default();
        for option in text.split('&').filter(|option| !option.is_empty()) {
            let Some((name, value)) = option.split_once('=') else {
                return refused("an option", "has no value; expected name=value");
            };
            match name {
                "heartbeat" => set(
                    &mut options.heartbeat,
                    value,
                    "the option heartbeat",
                    "is not a number of seconds up to 65535",
                )?,
                "connection_timeout" => set(
                    &mut options.connection_timeout,
                    value,
                    "the option connection_timeout",
                    "is not a number of milliseconds",
                )?,
                "frame_max" => {
                    set(&mut options.frame_max, value, "the option frame_max", "is not a number of bytes")?;
                }
                "channel_max" => set(
                    &mut options.channel_max,
                    value,
                    "the option channel_max",
                    "is not a number up to 65535",
                )?,
                _ => {
                    return refused(
                        "an option",
                        "is none of heartbeat, connection_timeout, frame_max and channel_max",
                    );
                }
            }
        }
        if options.frame_max.is_some_and(|bytes| bytes != 131_072) {
            return refused("the option frame_max", "is not 131072, which messages with long headers need");
        }
        if options.connection_timeout == Some(0) {
            return refused("the option connection_timeout", "is 0, which would never connect");
        }
        Ok(options)
    }
}

fn set<T: std::str::FromStr>(
    place: &mut Option<T>,
    value: &str,
    option: &'static str,
    no_number: &'static str,
) -> Read<()> {
    if place.is_some() {
        return refused(option, "appears twice");
    }
    let digits = !value.is_empty() && value.chars().all(|c| c.is_ascii_digit());
    *place = value.parse().ok().filter(|_| digits);
    if place.is_some() { Ok(()) } else { refused(option, no_number) }
}

/// Undoes percent-encoding, once.
fn decoded(text: &str, part: &'static str) -> Read<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return refused(part, "has a % without the two digits of a character; write a % itself as %25");
        };
        bytes.extend(u8::try_from(high * 16 + low));
    }
    match String::from_utf8(bytes) {
        Ok(text) if text.chars().any(char::is_control) => refused(part, "has a control character"),
        Ok(text) => Ok(text),
        Err(_) => refused(part, "is not UTF-8 once its % are read"),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port } = self;
        if name.contains(':') { write!(f, "[{name}]:{port}") } else { write!(f, "{name}:{port}") }
    }
}

/// `amqp://host:port/vhost`, without user and password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls { "amqps://" } else { "amqp://" })?;
        for (index, host) in self.hosts.iter().enumerate() {
            write!(f, "{}{host}", if index > 0 { "," } else { "" })?;
        }
        f.write_str("/")?;
        if self.vhost != "/" {
            for byte in self.vhost.bytes() {
                match byte {
                    b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' | b':' => {
                        write!(f, "{}", char::from(byte))?;
                    }
                    _ => write!(f, "%{byte:02X}")?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;

    fn read(text: &str) -> Address {
        Address::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn an_address_is_read_part_by_part() {
        for (text, shown, user, password, vhost) in [
            ("amqp://host", "amqp://host:5672/", "guest", "guest", "/"),
            ("amqp://host/", "amqp://host:5672/", "guest", "guest", "/"),
            ("amqp://host/%2f", "amqp://host:5672/", "guest", "guest", "/"),
            ("AMQP://u@host:1/v", "amqp://host:1/v", "u", "guest", "v"),
            ("amqp://u:@host", "amqp://host:5672/", "u", "", "/"),
            ("amqps://u:p@host/a%2Fb", "amqps://host:5671/a%2Fb", "u", "p", "a/b"),
            ("amqp://u:p@[2001:db8::5]:31554/t", "amqp://[2001:db8::5]:31554/t", "u", "p", "t"),
            ("amqp://[::1]", "amqp://[::1]:5672/", "guest", "guest", "/"),
            ("amqp://u:p:q@host", "amqp://host:5672/", "u", "p:q", "/"),
            ("amqp://u:p@q@host", "amqp://host:5672/", "u", "p@q", "/"),
            ("amqp://u:%2523%40@host", "amqp://host:5672/", "u", "%23@", "/"),
            ("amqp://a:1,b,[::2]:3/v", "amqp://a:1,b:5672,[::2]:3/v", "guest", "guest", "v"),
            ("amqp://u:p@a/v,amqp://b:2", "amqp://a:5672,b:2/v", "u", "p", "v"),
            ("amqps://u:p@a/v,amqps://u:p@b/v", "amqps://a:5671,b:5671/v", "u", "p", "v"),
            ("amqp://u:p@a:1,b:2/v,amqp://c/v", "amqp://a:1,b:2,c:5672/v", "u", "p", "v"),
            ("amqp://u:p@a,u:p@b/v", "amqp://a:5672,b:5672/v", "u", "p", "v"),
            ("amqp://a/,amqp://guest:guest@b/%2F", "amqp://a:5672,b:5672/", "guest", "guest", "/"),
            ("amqp://u:p%2Cq@a", "amqp://a:5672/", "u", "p,q", "/"),
            ("amqp://u:p@a/v%2Cw%40", "amqp://a:5672/v%2Cw%40", "u", "p", "v,w@"),
        ] {
            let address = read(text);
            assert_eq!(address.to_string(), shown, "{text}");
            assert_eq!(
                (&*address.user, &*address.password, &*address.vhost),
                (user, password, vhost),
                "{text}"
            );
        }
        let address = read("amqp://a,b/v?heartbeat=5&connection_timeout=900&frame_max=131072&channel_max=10");
        let Address { heartbeat, connection_timeout, frame_max, channel_max, .. } = address;
        assert_eq!(
            (heartbeat, connection_timeout, frame_max, channel_max),
            (Some(5), Some(900), Some(131_072), Some(10))
        );
        assert_eq!(read("amqp://a?heartbeat=0,amqp://b?heartbeat=0").heartbeat, Some(0));
    }

    /// Each text with a word of what is wrong with it.
    const BROKEN: &[(&str, &str)] = &[
        ("", "the beginning is neither amqp:// nor amqps://"),
        ("host", "the beginning"),
        ("host:5672", "the beginning"),
        ("user:S3cret@broker:5672", "the beginning"),
        ("user:S3cretPw@broker:5672/vhost", "the beginning"),
        ("http://user:S3cret@host", "the beginning"),
        ("amqp:/user:S3cret@host", "the beginning"),
        ("amqp:user:S3cret@host", "the beginning"),
        ("://user:S3cret@host", "the beginning"),
        ("S3cret://user:S3cret@host", "the beginning"),
        ("amqp://u:S3cret@a,S3cret://b", "the beginning"),
        ("amqp://", "the host is missing"),
        ("amqp://u:S3cret@", "the host is missing"),
        ("amqp://u:S3cret@:5672", "the host is missing"),
        ("amqp://u:S3cret@/v", "the host is missing"),
        ("amqp://u:S3cret@a,", "the host is missing"),
        ("amqp://u:S3cret", "the port is not a number"),
        ("amqp://:S3cret@host", "the user name before the @ is empty"),
        ("amqp://u:S3#cret@host/v", "has a #; write it as %23, or use AMQP_PASSWORD_FILE"),
        ("amqp://u:S3/cret@host/v", "has a /; write it as %2F, or use AMQP_PASSWORD_FILE"),
        ("amqp://u:S3?cret@host/v", "has a ?; write it as %3F, or use AMQP_PASSWORD_FILE"),
        ("amqp://u:S3?heartbeat=1@host/v", "%3F"),
        ("amqp://u:p@S3/cret@host/v", "%2F"),
        ("amqp://u:12/S3cret@host/v", "%2F"),
        ("amqp://u:S3,cret@host", "has a comma, which separates addresses; write it as %2C"),
        ("amqp://u:12,S3cret@host", "%2C"),
        ("amqp://u:p@S3,cret@host", "the user names differ"),
        ("amqp://u:p@S3,u:cret@host", "the passwords differ"),
        ("amqp://u:S3#,cret@host", "%2C"),
        ("amqp://u:S3cret@host/v#x", "%23"),
        ("amqp://u:S3cret@host/a/b", "the vhost has a /; write it as %2F"),
        ("amqp://u:S3cret@host//", "%2F"),
        ("amqp://u:S3cret@host/v@w", "an @ in the vhost is written as %40"),
        ("amqp://u:S3cret%@host", "the password has a %"),
        ("amqp://u:S3cret%4@host", "the password has a %"),
        ("amqp://u%zz:S3cret@host", "the user name has a %"),
        ("amqp://u:S3cret@host/%zz", "the vhost has a %"),
        ("amqp://u:S3cret%ff@host", "the password is not UTF-8"),
        ("amqp://u%ff:S3cret@host", "the user name is not UTF-8"),
        ("amqp://u:S3cret@host/%ff", "the vhost is not UTF-8"),
        ("amqp://u:S3cret%0a@host", "the password has a control character"),
        ("amqp://u:S3cret%c2%85@host", "the password has a control character"),
        ("amqp://u:S3cret@host/%00", "the vhost has a control character"),
        ("amqp://u:S3 cret@host", "blank"),
        ("amqp://u:S3\u{a0}cret@host", "blank"),
        ("amqp://u:S3cret@host\n", "control character"),
        ("amqp://u:S3cret@host:port", "the port is not a number"),
        ("amqp://u:S3cret@host:", "the port is not a number"),
        ("amqp://u:S3cret@host:+1", "the port is not a number"),
        ("amqp://u:S3cret@host:0", "the port is not between 1 and 65535"),
        ("amqp://u:S3cret@host:65536", "the port is not between 1 and 65535"),
        ("amqp://u:S3cret@2001:db8::5", "in brackets"),
        ("amqp://u:S3cret@::1", "in brackets"),
        ("amqp://u:S3cret@[2001:db8::5", "no ]"),
        ("amqp://u:S3cret@[fe80::1%25eth0]", "no IPv6 address"),
        ("amqp://u:S3cret@[fe80::1%eth0]", "a zone"),
        ("amqp://u:S3cret@[::1]5672", "behind its ]"),
        ("amqp://u:S3cret@ho$t", "no host's name"),
        ("amqp://u:S3cret@host?colour=S3cret", "an option is none of heartbeat"),
        ("amqp://u:S3cret@host?S3cret", "an option has no value"),
        ("amqp://u:S3cret@host?heartbeat=S3cret", "the option heartbeat is not a number"),
        ("amqp://u:S3cret@host?heartbeat=-1", "the option heartbeat is not a number"),
        ("amqp://u:S3cret@host?heartbeat=65536", "the option heartbeat is not a number"),
        ("amqp://u:S3cret@host?heartbeat=", "the option heartbeat is not a number"),
        ("amqp://u:S3cret@host?heartbeat=1&heartbeat=1", "the option heartbeat appears twice"),
        ("amqp://u:S3cret@host?channel_max=70000", "the option channel_max is not a number"),
        ("amqp://u:S3cret@host?frame_max=1", "the option frame_max is not 131072"),
        ("amqp://u:S3cret@host?connection_timeout=0", "the option connection_timeout is 0"),
        ("amqp://u:S3cret@a,amqps://b", "the beginnings differ"),
        ("amqp://u:S3cret@a,amqp://w@b", "the user names differ"),
        ("amqp://u:S3cret@a,amqp://u:S3cret2@b", "the passwords differ"),
        ("amqp://u:S3cret@a/v,amqp://b/w", "the vhosts differ"),
        ("amqp://u:S3cret@a,amqp://b/w", "the vhosts differ"),
        ("amqp://u:S3cret@a/v,b/w", "the vhosts differ"),
        ("amqp://u:S3cret@a?heartbeat=1,b?heartbeat=2", "the options differ"),
    ];

    #[test]
    fn what_cannot_be_read_is_named_and_never_repeated() {
        for (text, part) in BROKEN {
            let Err(why) = Address::parse(text) else { panic!("{text:?} must be refused") };
            let said = why.to_string();
            assert!(said.contains(part), "{text:?}: {part:?} is missing: {said}");
            assert!(
                said.starts_with(
                    "the RabbitMQ address is not of the form amqp://user:password@host:port/vhost: "
                ),
                "{said}"
            );
            let all = format!("{said} {why:?} {why:#?}");
            assert!(!all.contains("S3") && !all.contains("cret"), "{all}");
        }
    }

    #[test]
    fn what_is_read_shows_neither_user_nor_password() {
        for text in
            ["amqp://N4me:S3cret@host/v", "amqp://N4me:S3cret@a,N4me:S3cret@b/v", "amqp://N4me:p@S3cret@host"]
        {
            let shown = read(text);
            let all = format!("{shown} {shown:?} {shown:#?}");
            assert!(!all.contains("S3cret") && !all.contains("N4me"), "{all}");
        }
    }

    #[test]
    fn what_is_encoded_comes_back() {
        let encode = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02x}")).collect() };
        let mut dice = StdRng::seed_from_u64(7);
        for _ in 0..2000 {
            let mut word = |least: usize| -> String {
                let length = dice.random_range(least..12);
                let letters = std::iter::repeat_with(|| dice.random::<char>()).filter(|c| !c.is_control());
                letters.take(length).collect()
            };
            let (user, password, vhost) = (word(1), word(0), word(1));
            let text = format!("amqp://{}:{}@h/{}", encode(&user), encode(&password), encode(&vhost));
            let address = read(&text);
            assert_eq!((&address.user, &address.password, &address.vhost), (&user, &password, &vhost));
            let shown = address.to_string();
            assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()), "{shown}");
            assert_eq!(read(&shown).vhost, vhost);
        }
    }
}
