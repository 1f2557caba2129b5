//! Tells Lambda why the function cannot start, so that whoever invokes it reads that too, and not only the log.

use std::io;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::failure::Failure;

/// Posts the error and waits until it is taken. `lambda_runtime` has this only for what fails once it runs.
pub(crate) async fn tell(api: &str, why: &Failure) -> io::Result<()> {
    let (host, base) = place(api);
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(request(host, base, why).as_bytes()).await?;
    stream.read(&mut [0; 64]).await.map(drop)
}

/// The host with its port, and what paths begin with. Emulators say more than Lambda does, which says `127.0.0.1:9001`.
fn place(api: &str) -> (&str, &str) {
    let rest = api.strip_prefix("http://").unwrap_or(api);
    rest.split_at(rest.find('/').unwrap_or(rest.len()))
}

fn request(host: &str, base: &str, why: &Failure) -> String {
    let body = json!({ "errorType": why.kind, "errorMessage": why.message, "stackTrace": [] }).to_string();
    format!(
        "POST {base}/2018-06-01/runtime/init/error HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Lambda-Runtime-Function-Error-Type: {}\r\nContent-Length: {}\r\n\r\n{body}",
        why.kind,
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_where_lambda_or_an_emulator_says() {
        assert_eq!(place("127.0.0.1:9001"), ("127.0.0.1:9001", ""));
        assert_eq!(place("http://127.0.0.1:9000/.rt"), ("127.0.0.1:9000", "/.rt"));
    }

    #[test]
    fn the_error_is_one_request_with_its_length() {
        let text = request("127.0.0.1:9001", "", &Failure::new(Failure::INIT, "no \"model\""));
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /2018-06-01/runtime/init/error HTTP/1.1\r\n"), "{head}");
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
        assert_eq!(body, r#"{"errorMessage":"no \"model\"","errorType":"cannot_start","stackTrace":[]}"#);
    }
}
