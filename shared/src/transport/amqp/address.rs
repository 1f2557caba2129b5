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
#[error("the RabbitMQ address is not of the form amqp://user:password@host:port/vhost: {0}")]
pub(super) struct AddressError(&'static str);

type Read<T> = Result<T, AddressError>;

const fn refused<T>(why: &'static str) -> Read<T> {
    Err(AddressError(why))
}

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
                "it has a blank or a control character; in a name or password, write it as % and two digits",
            );
        }
        if !text.split(',').next().is_some_and(|first| first.contains("://")) {
            return refused("it begins with neither amqp:// nor amqps://");
        }
        let mut parts = text.split(',').map(Part::read).collect::<Read<Vec<_>>>()?;
        // `a,b/vhost`: what stands behind the last of several hosts is for all of them.
        let last = parts.len() - 1;
        if last > 0 && parts[0].vhost.is_none() && parts[0].options == Options::default() {
            parts[0].vhost = parts[last].vhost.clone();
            parts[0].options = std::mem::take(&mut parts[last].options);
        }
        let Some(tls) = parts[0].tls else {
            return refused("it begins with neither amqp:// nor amqps://");
        };
        let agrees = |one: &Option<String>, first: &Option<String>| one.is_none() || one == first;
        for part in &parts[1..] {
            if part.tls.is_some_and(|other| other != tls) {
                return refused("the addresses begin differently; all must be amqp:// or all amqps://");
            }
            if !agrees(&part.user, &parts[0].user) || !agrees(&part.password, &parts[0].password) {
                return refused(
                    "the addresses have different users or passwords; name them in the first one only",
                );
            }
            if !agrees(&part.vhost, &parts[0].vhost) {
                return refused("the addresses have different vhosts; name it in the first one only");
            }
            if part.options != Options::default() && part.options != parts[0].options {
                return refused("the addresses have different options; give them in the first one only");
            }
        }
        let usual = if tls { 5671 } else { 5672 };
        let host = |part: &Part| Host { name: part.host.clone(), port: part.port.unwrap_or(usual) };
        let hosts = parts.iter().map(host).collect();
        let Part { user, password, vhost, options, .. } = parts.swap_remove(0);
        let Options { heartbeat, connection_timeout, frame_max, channel_max } = options;
        // A user without a password has the empty one; without a user it is RabbitMQ's usual one.
        let (user, password) = match user {
            Some(user) => (user, password.unwrap_or_default()),
            None => ("guest".to_owned(), "guest".to_owned()),
        };
        let vhost = vhost.unwrap_or_else(|| "/".to_owned());
        Ok(Self { tls, hosts, user, password, vhost, heartbeat, connection_timeout, frame_max, channel_max })
    }
}

impl Part {
    fn read(text: &str) -> Read<Self> {
        let (tls, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("amqp") => (Some(false), rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("amqps") => (Some(true), rest),
            Some(_) => return refused("it begins with neither amqp:// nor amqps://"),
            None => (None, text),
        };
        // Where an @ comes after one of these, it stands in the password, and all that follows would be misread.
        if let Some((before, _)) = rest.rsplit_once('@') {
            if before.contains('#') {
                return refused(
                    "the password or user name has a #; write it as %23, or use AMQP_PASSWORD_FILE",
                );
            }
            if before.contains('/') {
                return refused(
                    "the password or user name has a /; write it as %2F, or use AMQP_PASSWORD_FILE",
                );
            }
            if before.contains('?') {
                return refused(
                    "the password or user name has a ?; write it as %3F, or use AMQP_PASSWORD_FILE",
                );
            }
        }
        if rest.contains('#') {
            return refused("it has a #, which means nothing here; in a name or password, write it as %23");
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
                part.user = Some(decoded(
                    user,
                    "the user name has a % that is not followed by two digits of a character",
                )?);
                part.password = password
                    .map(|text| decoded(text, "the password has a % that is not followed by two digits of a character; write it as %25"))
                    .transpose()?;
                if part.user.as_deref() == Some("") {
                    return refused("the user name before the @ is empty");
                }
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
        return refused("the vhost has a /; write it as %2F");
    }
    if text.is_empty() {
        return Ok("/".to_owned());
    }
    decoded(text, "the vhost has a % that is not followed by two digits of a character")
}

fn host_of(text: &str) -> Read<(String, Option<u16>)> {
    let (name, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((name, port)) = rest.split_once(']') else {
            return refused("the host begins with [ and has no ]");
        };
        if name.parse::<std::net::Ipv6Addr>().is_err() {
            return refused("between [ and ] is no IPv6 address (one with a zone is not read)");
        }
        match port.strip_prefix(':') {
            Some(port) => (name, Some(port)),
            None if port.is_empty() => (name, None),
            None => return refused("something else than a port follows the host's ]"),
        }
    } else {
        match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return refused(
                    "the host has several colons; write an IPv6 address in brackets, as [::1]:5672",
                );
            }
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        }
    };
    if name.is_empty() {
        return refused("the host is missing");
    }
    let letters = |c: char| c.is_alphanumeric() || "-._:".contains(c);
    if !name.chars().all(letters) {
        return refused("the host has a character that no host's name has");
    }
    let port = match port {
        None => None,
        Some(digits) if digits.chars().all(|c| c.is_ascii_digit()) && !digits.is_empty() => {
            match digits.parse::<u16>() {
                Ok(port) if port > 0 => Some(port),
                _ => return refused("the port is not between 1 and 65535"),
            }
        }
        Some(_) => return refused("the port is not a number"),
    };
    Ok((name.to_owned(), port))
}

impl Options {
    fn read(text: &str) -> Read<Self> {
        let mut options = Self::default();
        for option in text.split('&').filter(|option| !option.is_empty()) {
            let Some((name, value)) = option.split_once('=') else {
                return refused("an option has no value; wanted is name=value");
            };
            match name {
                "heartbeat" => set(
                    &mut options.heartbeat,
                    value,
                    "the option heartbeat is not a number of seconds up to 65535",
                    "the option heartbeat stands there twice",
                )?,
                "connection_timeout" => set(
                    &mut options.connection_timeout,
                    value,
                    "the option connection_timeout is not a number of milliseconds",
                    "the option connection_timeout stands there twice",
                )?,
                "frame_max" => set(
                    &mut options.frame_max,
                    value,
                    "the option frame_max is not a number of bytes",
                    "the option frame_max stands there twice",
                )?,
                "channel_max" => set(
                    &mut options.channel_max,
                    value,
                    "the option channel_max is not a number up to 65535",
                    "the option channel_max stands there twice",
                )?,
                _ => {
                    return refused(
                        "it has an option that is none of heartbeat, connection_timeout, frame_max and channel_max",
                    );
                }
            }
        }
        if options.frame_max.is_some_and(|bytes| !(4096..=131_072).contains(&bytes)) {
            return refused("the option frame_max is not between 4096 and 131072");
        }
        if options.connection_timeout == Some(0) {
            return refused("the option connection_timeout is 0, which would never connect");
        }
        Ok(options)
    }
}

fn set<T: std::str::FromStr>(
    place: &mut Option<T>,
    value: &str,
    no_number: &'static str,
    twice: &'static str,
) -> Read<()> {
    if place.is_some() {
        return refused(twice);
    }
    let digits = !value.is_empty() && value.chars().all(|c| c.is_ascii_digit());
    *place = value.parse().ok().filter(|_| digits);
    if place.is_some() { Ok(()) } else { refused(no_number) }
}

/// Undoes percent-encoding, once.
fn decoded(text: &str, broken: &'static str) -> Read<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return refused(broken) };
        bytes.extend(u8::try_from(high * 16 + low));
    }
    match String::from_utf8(bytes) {
        Ok(text) if text.chars().any(char::is_control) => {
            refused("a name or the password has a control character")
        }
        Ok(text) => Ok(text),
        Err(_) => refused("a name or the password is not UTF-8 after its % are read"),
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
            ("AMQP://u@host:1/v", "amqp://host:1/v", "u", "", "v"),
            ("amqps://u:p@host/a%2Fb", "amqps://host:5671/a%2Fb", "u", "p", "a/b"),
            ("amqp://u:p@[2001:db8::5]:31554/t", "amqp://[2001:db8::5]:31554/t", "u", "p", "t"),
            ("amqp://[::1]", "amqp://[::1]:5672/", "guest", "guest", "/"),
            ("amqp://u:p:q@host", "amqp://host:5672/", "u", "p:q", "/"),
            ("amqp://u:p@q@host", "amqp://host:5672/", "u", "p@q", "/"),
            ("amqp://u:%2523%40@host", "amqp://host:5672/", "u", "%23@", "/"),
            ("amqp://a:1,b,[::2]:3/v", "amqp://a:1,b:5672,[::2]:3/v", "guest", "guest", "v"),
            ("amqp://u:p@a/v,amqp://b:2", "amqp://a:5672,b:2/v", "u", "p", "v"),
            ("amqps://u:p@a/v,amqps://u:p@b/v", "amqps://a:5671,b:5671/v", "u", "p", "v"),
        ] {
            let address = read(text);
            assert_eq!(address.to_string(), shown, "{text}");
            assert_eq!(
                (&*address.user, &*address.password, &*address.vhost),
                (user, password, vhost),
                "{text}"
            );
        }
        let address = read("amqp://a,b/v?heartbeat=5&connection_timeout=900&frame_max=8192&channel_max=10");
        let Address { heartbeat, connection_timeout, frame_max, channel_max, .. } = address;
        assert_eq!(
            (heartbeat, connection_timeout, frame_max, channel_max),
            (Some(5), Some(900), Some(8192), Some(10))
        );
    }

    /// Each text with a word of what is wrong with it.
    const BROKEN: [(&str, &str); 42] = [
        ("", "neither amqp:// nor amqps://"),
        ("host", "neither"),
        ("host:5672", "neither"),
        ("user:S3cret@broker:5672", "neither"),
        ("user:S3cretPw@broker:5672/vhost", "neither"),
        ("http://user:S3cret@host", "neither"),
        ("amqp:/user:S3cret@host", "neither"),
        ("://user:S3cret@host", "neither"),
        ("amqp://", "the host is missing"),
        ("amqp://u:S3cret@", "the host is missing"),
        ("amqp://u:S3cret@:5672", "the host is missing"),
        ("amqp://u:S3cret@/v", "the host is missing"),
        ("amqp://:S3cret@host", "user name before the @ is empty"),
        ("amqp://u:S3#cret@host/v", "%23"),
        ("amqp://u:S3/cret@host/v", "%2F"),
        ("amqp://u:S3?cret@host/v", "%3F"),
        ("amqp://u:S3?heartbeat=1@host/v", "%3F"),
        ("amqp://u:S3cret@host/v#x", "%23"),
        ("amqp://u:S3cret@host/a/b", "%2F"),
        ("amqp://u:S3cret@host//", "%2F"),
        ("amqp://u:S3cret%@host", "the password has a %"),
        ("amqp://u:S3cret%4@host", "the password has a %"),
        ("amqp://u%zz:S3cret@host", "the user name has a %"),
        ("amqp://u:S3cret@host/%zz", "the vhost has a %"),
        ("amqp://u:S3cret%ff@host", "not UTF-8"),
        ("amqp://u:S3cret%0a@host", "control character"),
        ("amqp://u:S3 cret@host", "blank"),
        ("amqp://u:S3cret@host\n", "control character"),
        ("amqp://u:S3cret@host:port", "the port is not a number"),
        ("amqp://u:S3cret@host:", "the port is not a number"),
        ("amqp://u:S3cret@host:0", "between 1 and 65535"),
        ("amqp://u:S3cret@host:65536", "between 1 and 65535"),
        ("amqp://u:S3cret@2001:db8::5", "in brackets"),
        ("amqp://u:S3cret@[2001:db8::5", "no ]"),
        ("amqp://u:S3cret@[fe80::1%25eth0]", "no IPv6 address"),
        ("amqp://u:S3cret@[::1]5672", "follows the host's ]"),
        ("amqp://u:S3cret@host?colour=S3cret", "none of heartbeat"),
        ("amqp://u:S3cret@host?heartbeat=S3cret", "heartbeat is not a number"),
        ("amqp://u:S3cret@host?heartbeat=1&heartbeat=1", "twice"),
        ("amqp://u:S3cret@a,amqps://b", "begin differently"),
        ("amqp://u:S3cret@a,amqp://u:S3cret2@b", "different users or passwords"),
        ("amqp://u:S3cret@a/v,amqp://b/w", "different vhosts"),
    ];

    #[test]
    fn what_cannot_be_read_is_named_and_never_repeated() {
        for (text, part) in BROKEN {
            let Err(why) = Address::parse(text) else { panic!("{text:?} must be refused") };
            let said = why.to_string();
            assert!(said.contains(part), "{text:?}: {part:?} is missing: {said}");
            assert!(said.starts_with("the RabbitMQ address is not of the form amqp://"), "{said}");
            assert!(!said.contains("S3") && !format!("{why:?}").contains("S3"), "{said}");
        }
        let shown = read("amqp://u:S3cret@host/v");
        assert!(!format!("{shown} {shown:?}").contains("S3cret"));
        // A comma ends the password: what follows is taken for another host, and told as such.
        assert!(Address::parse("amqp://u:S3,cret@host").is_err_and(|why| !why.to_string().contains("cret")));
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
            let again = read(&format!("{address}"));
            assert_eq!(again.vhost, vhost);
        }
    }
}
