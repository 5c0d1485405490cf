//! HTTP on a connection that stays open, as the programs speak it that tests run on a box.

use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Read, Write};

/// One request, and the answer's status and body.
///
/// # Errors
/// When the connection breaks, or what comes is no HTTP.
pub fn post(
    stream: &mut (impl Read + Write),
    path: &str,
    content_type: &str,
    body: &[u8],
) -> Result<(u16, String)> {
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: ashlar\r\nContent-Type: {content_type}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    stream.flush()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).context("a status line")?.parse()?;
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((status, String::from_utf8(body)?))
}
