//! WebSocket echo (RFC 6455): enough to see that the load balancer passes an upgrade through, and
//! what a stop does to it.

use base64::Engine as _;
use http::{HeaderMap, header};
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Longest message echoed; longer ones end the connection with 1009.
const MESSAGE_MAX: u64 = 1 << 20;
/// Appended to the client's key (RFC 6455, 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const CONTINUATION: u8 = 0;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The value of `sec-websocket-accept`, when the request asks for a WebSocket.
pub(super) fn accept_key(headers: &HeaderMap) -> Option<String> {
    let upgrade = headers.get(header::UPGRADE)?.to_str().ok()?;
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?.to_str().ok()?;
    if !upgrade.eq_ignore_ascii_case("websocket") {
        return None;
    }
    let mut hash = Sha1::new();
    hash.update(key.trim().as_bytes());
    hash.update(GUID.as_bytes());
    Some(base64::engine::general_purpose::STANDARD.encode(hash.finalize()))
}

/// What a frame begins with.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    first: u8,
    payload: Vec<u8>,
}

impl Frame {
    fn opcode(&self) -> u8 {
        self.first & 0x0f
    }
}

/// Echoes data frames until the client closes, the connection ends or `stop` comes.
pub(super) async fn echo<S>(mut stream: S, stop: impl Future<Output = ()>) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stop = std::pin::pin!(stop);
    loop {
        let frame = tokio::select! {
            frame = read_frame(&mut stream) => frame?,
            () = &mut stop => {
                // 1001: going away.
                return write_frame(&mut stream, 0x80 | CLOSE, &1001_u16.to_be_bytes()).await;
            }
        };
        match frame {
            None => return write_frame(&mut stream, 0x80 | CLOSE, &1009_u16.to_be_bytes()).await,
            Some(frame) => match frame.opcode() {
                CLOSE => return write_frame(&mut stream, 0x80 | CLOSE, &frame.payload).await,
                PING => write_frame(&mut stream, 0x80 | PONG, &frame.payload).await?,
                PONG => {}
                // Text, binary and their continuations go back as they came.
                CONTINUATION | 1 | 2 => {
                    write_frame(&mut stream, frame.first, &frame.payload).await?
                }
                _ => return write_frame(&mut stream, 0x80 | CLOSE, &1002_u16.to_be_bytes()).await,
            },
        }
    }
}

/// Reads one frame; `None` when it is longer than [`MESSAGE_MAX`].
async fn read_frame<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<Option<Frame>> {
    let mut head = [0_u8; 2];
    stream.read_exact(&mut head).await?;
    let length = match head[1] & 0x7f {
        126 => u64::from(stream.read_u16().await?),
        127 => stream.read_u64().await?,
        short => u64::from(short),
    };
    let mut mask = [0_u8; 4];
    if head[1] & 0x80 != 0 {
        stream.read_exact(&mut mask).await?;
    }
    let Some(length) = usize::try_from(length).ok().filter(|_| length <= MESSAGE_MAX) else {
        return Ok(None);
    };
    let mut payload = vec![0_u8; length];
    stream.read_exact(&mut payload).await?;
    for (at, byte) in payload.iter_mut().enumerate() {
        *byte ^= mask[at % 4];
    }
    Ok(Some(Frame { first: head[0] & 0x8f, payload }))
}

async fn write_frame<S: AsyncWrite + Unpin>(
    stream: &mut S,
    first: u8,
    payload: &[u8],
) -> std::io::Result<()> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..=125 => frame.push(short as u8),
        medium @ 126..=0xffff => {
            frame.push(126);
            frame.extend((medium as u16).to_be_bytes());
        }
        long => {
            frame.push(127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    stream.write_all(&frame).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of RFC 6455, 1.3.
    #[test]
    fn the_accept_key_is_the_rfcs() {
        let mut headers = HeaderMap::new();
        headers.insert("upgrade", "WebSocket".parse().unwrap());
        headers.insert("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==".parse().unwrap());
        assert_eq!(accept_key(&headers).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        headers.insert("upgrade", "h2c".parse().unwrap());
        assert_eq!(accept_key(&headers), None);
    }

    #[tokio::test]
    async fn masked_frames_come_back_unmasked_and_close_is_answered() {
        let (client, server) = tokio::io::duplex(4096);
        let serving = tokio::spawn(echo(server, std::future::pending()));
        let (mut read, mut write) = tokio::io::split(client);
        // Text "Hello", masked (RFC 6455, 5.7), then a close with 1000.
        write
            .write_all(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58])
            .await
            .unwrap();
        write.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]).await.unwrap();
        let mut back = Vec::new();
        serving.await.unwrap().unwrap();
        read.read_to_end(&mut back).await.unwrap();
        assert_eq!(back, [&[0x81, 5][..], b"Hello", &[0x88, 2, 0x03, 0xe8]].concat());
    }
}
