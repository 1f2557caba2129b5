//! Where people and programs ask how good the model is, and who may.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use shared::admin::Listen;

/// The longest base path, in bytes.
const LONGEST: usize = 200;

/// Where people and programs ask how good the model is.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Evaluation")]
pub struct PageOptions {
    /// Where programs and people ask how good the model is, such as 0.0.0.0:5000, or `off`. Whoever can connect can read, unless
    /// there is --page-token-file.
    /// [default: 127.0.0.1:5000, or a free port where that is taken]
    #[arg(long, value_name = "ADDR")]
    pub page_addr: Option<Listen>,

    /// Serve all of it under this path, such as /pipeline, for a proxy that passes paths on as they are. For one that takes its own
    /// path off, nothing need be set.
    #[arg(long, value_name = "PATH", default_value = "/")]
    pub page_base_path: BasePath,

    /// Let in only who shows one of the tokens in this file, one a line: programs in the header `Authorization: Bearer TOKEN`,
    /// browsers as the password, under any user name.
    #[arg(long, value_name = "FILE")]
    pub page_token_file: Option<PathBuf>,
}

/// The path under which all of it is served: `/pipeline`, or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasePath(String);

impl BasePath {
    /// A path of ours, with the base before it.
    pub(crate) fn with(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Without a slash at its end; empty where there is none.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BasePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = text.strip_suffix('/').unwrap_or(text);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let is_part =
            |part: &str| !part.is_empty() && part.bytes().all(is_plain) && part != "." && part != "..";
        let is_path = path.strip_prefix('/').is_some_and(|parts| parts.split('/').all(is_part));
        if path.len() <= LONGEST && (path.is_empty() && text == "/" || is_path) {
            return Ok(Self(path.to_owned()));
        }
        Err("expected a path such as /pipeline, of letters, digits, and - . _ ~ between slashes".to_owned())
    }
}

impl std::fmt::Display for BasePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_is_plain_and_its_last_slash_says_nothing() {
        for (text, path) in
            [("/", ""), ("/pipeline", "/pipeline"), ("/pipeline/", "/pipeline"), ("/a/b-1.~_", "/a/b-1.~_")]
        {
            let base: BasePath = text.parse().unwrap();
            assert_eq!((base.as_str(), base.with("/rows")), (path, format!("{path}/rows")), "{text}");
            assert_eq!(base.to_string().parse::<BasePath>().unwrap(), base);
        }
        for bad in
            ["", "pipeline", "//", "/a//b", "/a b", "/{id}", "/..", "/a/./b", "/a?b", "/ä", "http://a/b"]
        {
            assert!(bad.parse::<BasePath>().is_err(), "{bad}");
        }
        assert!(format!("/{}", "a".repeat(LONGEST)).parse::<BasePath>().is_err());
    }
}
