//! A connection that has to begin to speak.

use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// What every connection of HTTP/2 begins with. Until it is known whether it is that, nobody else looks at the time.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream whose first bytes come within a time, or it ends.
pub(crate) struct Prompt<S> {
    stream: S,
    waiting: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> Prompt<S> {
    pub(crate) fn new(stream: S, within: Duration) -> Self {
        Self { stream, waiting: Some((Box::pin(tokio::time::sleep(within)), 0)) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prompt<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        match (Pin::new(&mut this.stream).poll_read(context, buffer)?, &mut this.waiting) {
            (Poll::Ready(()), _) => {}
            (Poll::Pending, None) => return Poll::Pending,
            (Poll::Pending, Some((deadline, _))) => {
                ready!(deadline.as_mut().poll(context));
                return Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "nothing was said")));
            }
        }
        if let Some((_, said)) = &mut this.waiting {
            let new = buffer.filled().get(before..).unwrap_or_default();
            let begins = HTTP_2.get(*said..).is_some_and(|rest| rest.starts_with(new));
            *said += new.len();
            if !begins || *said >= HTTP_2.len() {
                this.waiting = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prompt<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// What comes of a stream of which these bytes come at once, and more when there was time enough for it to end.
    async fn read(first: &[u8]) -> Result<Vec<u8>> {
        const WITHIN: Duration = Duration::from_millis(50);
        let (here, mut there) = tokio::io::duplex(1_024);
        there.write_all(first).await.unwrap();
        let mut prompt = Prompt::new(here, WITHIN);
        let (mut all, mut piece) = (Vec::new(), [0; 64]);
        if !first.is_empty() {
            let read = prompt.read(&mut piece).await?;
            all.extend_from_slice(&piece[..read]);
        }
        let later = async {
            tokio::time::sleep(WITHIN * 3).await;
            there.write_all(b"late").await.unwrap();
        };
        let (read, ()) = tokio::join!(prompt.read(&mut piece), later);
        all.extend_from_slice(&piece[..read?]);
        Ok(all)
    }

    #[tokio::test]
    async fn who_says_nothing_or_little_is_ended_and_who_has_begun_is_not() {
        for little in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n"] {
            assert_eq!(read(little).await.unwrap_err().kind(), ErrorKind::TimedOut, "{little:?}");
        }
        for begun in [&b"G"[..], b"POST", HTTP_2] {
            assert_eq!(read(begun).await.unwrap(), [begun, b"late"].concat());
        }
    }
}
