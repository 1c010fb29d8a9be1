//! Bodies of answers: bytes, or a part of a file that is read as the client takes it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use tokio::task::JoinHandle;

/// What the registry answers with.
pub type Body = BoxBody<Bytes, io::Error>;

/// Read at a time.
const CHUNK: usize = 256 * 1024;

/// A part of a file, for [`file_parts`].
#[derive(Debug, Clone)]
pub struct FilePart {
    /// Where the file is.
    pub path: PathBuf,
    /// The first byte.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

/// Parts of files one after the other, each opened when its turn comes.
#[must_use]
pub fn file_parts(parts: Vec<FilePart>) -> Body {
    let left = parts.iter().map(|part| part.length).sum();
    FileParts { parts: parts.into(), reading: None, left }.boxed()
}

struct FileParts {
    parts: VecDeque<FilePart>,
    reading: Option<FileBody>,
    left: u64,
}

impl http_body::Body for FileParts {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(reading) = &mut self.reading {
                let read = ready!(Pin::new(reading).poll_frame(context));
                if let Some(read) = read {
                    let bytes = read.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len);
                    self.left = self.left.saturating_sub(bytes as u64);
                    return Poll::Ready(Some(read));
                }
            }
            let Some(part) = self.parts.pop_front() else { return Poll::Ready(None) };
            match File::open(&part.path) {
                Ok(file) => {
                    let state = State::Start { file, offset: part.offset };
                    self.reading = Some(FileBody { state, left: part.length });
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// `length` bytes of a file from `offset`.
pub(super) fn file(file: File, offset: u64, length: u64) -> Body {
    FileBody { state: State::Start { file, offset }, left: length }.boxed()
}

struct FileBody {
    state: State,
    left: u64,
}

enum State {
    Start { file: File, offset: u64 },
    Ready(File),
    Reading(JoinHandle<io::Result<(File, Bytes)>>),
    Over,
}

impl FileBody {
    /// Begins to read the next piece, on a thread that may block.
    fn read(
        mut file: File,
        offset: Option<u64>,
        left: u64,
    ) -> JoinHandle<io::Result<(File, Bytes)>> {
        tokio::task::spawn_blocking(move || {
            if let Some(offset) = offset {
                file.seek(SeekFrom::Start(offset))?;
            }
            let mut piece = Vec::with_capacity(CHUNK.min(usize::try_from(left).unwrap_or(CHUNK)));
            (&file).take((CHUNK as u64).min(left)).read_to_end(&mut piece)?;
            if piece.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok((file, Bytes::from(piece)))
        })
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if self.left == 0 {
                return Poll::Ready(None);
            }
            match std::mem::replace(&mut self.state, State::Over) {
                State::Start { file, offset } => {
                    self.state = State::Reading(Self::read(file, Some(offset), self.left));
                }
                State::Ready(file) => {
                    self.state = State::Reading(Self::read(file, None, self.left))
                }
                State::Reading(mut reading) => {
                    let Poll::Ready(read) = Pin::new(&mut reading).poll(context) else {
                        self.state = State::Reading(reading);
                        return Poll::Pending;
                    };
                    let read = read.map_err(io::Error::other).and_then(|read| read);
                    return Poll::Ready(Some(read.map(|(file, piece)| {
                        self.left = self.left.saturating_sub(piece.len() as u64);
                        self.state = State::Ready(file);
                        Frame::data(piece)
                    })));
                }
                State::Over => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// The next piece of a request's body.
pub(super) async fn next_data<B>(body: &mut B) -> Option<Result<Bytes, B::Error>>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    loop {
        let frame = std::future::poll_fn(|context| {
            let frame = ready!(Pin::new(&mut *body).poll_frame(context));
            Poll::Ready(frame)
        });
        match frame.await? {
            Ok(frame) => {
                // Trailers are nothing to us.
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}
