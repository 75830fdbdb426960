//! Just enough HTTP/1.1 for the benchmark, at minimal cost: a request is bytes made in advance, and only the
//! status and length of an answer are read.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that is reused for many requests.
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl Wire {
    pub(crate) async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 16 * 1024] })
    }

    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            ensure!(filled < self.buffer.len(), "an answer is too long");
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            ensure!(read > 0, "the server closed a connection");
            filled += read;
            if let Some((status, start, end)) = limits(&self.buffer[..filled])?
                && end <= filled
            {
                ensure!(end == filled, "more came than one answer");
                return Ok(Answer { status, body: &self.buffer[start..end] });
            }
        }
    }
}

/// The status, and where the body starts and ends, once the head is complete.
fn limits(bytes: &[u8]) -> Result<Option<(u16, usize, usize)>> {
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..head])?;
    let status = text.get(9..12).context("no status line")?.parse()?;
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let Some(length) = length else { bail!("an answer without a length: {text}") };
    Ok(Some((status, head + 4, head + 4 + length.parse::<usize>()?)))
}

/// Sends one request on a connection of its own, for anything that is not measured.
pub(crate) async fn once(port: u16, request: &[u8], expected: u16) -> Result<Vec<u8>> {
    let mut wire = Wire::connect(port).await?;
    let answer = wire.exchange(request).await?;
    let body = String::from_utf8_lossy(answer.body);
    ensure!(answer.status == expected, "status {} instead of {expected}: {body}", answer.status);
    Ok(answer.body.to_vec())
}

pub(crate) fn get(target: &str, port: u16, bearer: Option<&str>) -> Vec<u8> {
    let credential = bearer.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!("GET {target} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{credential}\r\n").into_bytes()
}

pub(crate) fn post(target: &str, port: u16, bearer: &str, body: &serde_json::Value) -> Vec<u8> {
    json("POST", target, port, bearer, body)
}

pub(crate) fn patch(target: &str, port: u16, bearer: &str, body: &serde_json::Value) -> Vec<u8> {
    json("PATCH", target, port, bearer, body)
}

fn json(method: &str, target: &str, port: u16, bearer: &str, body: &serde_json::Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "{method} {target} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {bearer}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends no credential: the form contains it.
pub(crate) fn form(target: &str, port: u16, body: &str) -> Vec<u8> {
    format!(
        "POST {target} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
