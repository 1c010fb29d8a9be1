//! A streaming reader of untrusted archives.

use std::io::{self, Read};

use super::BLOCK;
use super::header::Header;
use super::pax::Pax;

/// Long names and extended attributes of one entry may not take more than this.
const MAX_EXTENSION: u64 = 1 << 20;

/// What kind of thing an entry makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    HardLink,
    Symlink,
    /// A character or block device.
    Device,
    Directory,
    Fifo,
}

/// One entry; its data is read from the reader until the next entry is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    /// Permission bits with setuid, setgid and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// Bytes of data; 0 for everything but files.
    pub(crate) size: u64,
    /// Seconds since 1970.
    pub(crate) mtime: u64,
    /// Where a link points to.
    pub(crate) link: Vec<u8>,
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Why an archive cannot be read on.
#[derive(Debug)]
pub(crate) enum TarError {
    Read(io::Error),
    Format { offset: u64, problem: &'static str },
}

impl From<io::Error> for TarError {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

impl From<TarError> for io::Error {
    fn from(error: TarError) -> Self {
        match error {
            TarError::Read(error) => error,
            TarError::Format { offset, problem } => io::Error::new(
                io::ErrorKind::InvalidData,
                format!("no tar archive at byte {offset}: {problem}"),
            ),
        }
    }
}

/// Reads entries one after another.
pub(crate) struct TarReader<R> {
    inner: R,
    /// Bytes read so far.
    offset: u64,
    /// Data of the current entry that is still to be read.
    data: u64,
    /// Zeros after the data, up to the next block.
    padding: u64,
}

impl<R: Read> TarReader<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, offset: 0, data: 0, padding: 0 }
    }

    /// Bytes of the archive before what is read next: the place of an entry's data, right after
    /// the entry was returned.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn into_inner(self) -> R {
        self.inner
    }

    /// The next entry; `None` at the end of the archive.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, TarError> {
        let mut pax = None;
        let mut long_path = None;
        let mut long_link = None;
        loop {
            self.skip_rest()?;
            let Some(block) = self.header()? else {
                return match (pax, long_path, long_link) {
                    (None, None, None) => Ok(None),
                    _ => Err(self.problem("it ends after an extension header")),
                };
            };
            let header = Header(&block);
            let size = header.size().ok_or_else(|| self.problem("a size is no number"))?;
            match header.kind() {
                b'x' => {
                    let records = self.extension(size)?;
                    let parsed = Pax::parse(&records);
                    pax = Some(parsed.ok_or_else(|| self.problem("malformed extended header"))?);
                }
                // Comments of git and the like.
                b'g' => drop(self.extension(size)?),
                b'L' => long_path = Some(self.long_name(size)?),
                b'K' => long_link = Some(self.long_name(size)?),
                _ => {
                    let pax = pax.unwrap_or_default();
                    return self.entry(&header, size, pax, long_path, long_link).map(Some);
                }
            }
        }
    }

    fn entry(
        &mut self,
        header: &Header<'_>,
        size: u64,
        pax: Pax,
        long_path: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
    ) -> Result<Entry, TarError> {
        if pax.is_sparse {
            return Err(self.problem("sparse files are not supported"));
        }
        let path = pax.path.or(long_path).unwrap_or_else(|| header.path());
        let kind = match header.kind() {
            // Archives older than POSIX mark directories by their name only.
            0 if path.ends_with(b"/") => Kind::Directory,
            b'0' | 0 | b'7' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' | b'4' => Kind::Device,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            b'S' => return Err(self.problem("sparse files are not supported")),
            _ => return Err(self.problem("an entry of unknown type")),
        };
        // Only files have data. A size on anything else means nothing, as in Go's reader, which
        // is the one that wrote and tested most layers.
        let size = if kind == Kind::File { pax.size.unwrap_or(size) } else { 0 };
        let number = |value: Option<u64>| value.ok_or_else(|| self.problem("a field is no number"));
        let entry = Entry {
            path,
            kind,
            mode: (number(header.mode())? & 0o7777) as u32,
            uid: number(pax.uid.or_else(|| header.uid()))?,
            gid: number(pax.gid.or_else(|| header.gid()))?,
            size,
            mtime: pax.mtime.unwrap_or_else(|| header.mtime()),
            link: pax.link.or(long_link).unwrap_or_else(|| header.link()),
            xattrs: pax.xattrs,
        };
        self.start_data(size)?;
        Ok(entry)
    }

    fn problem(&self, problem: &'static str) -> TarError {
        TarError::Format { offset: self.offset, problem }
    }

    /// The next header block; `None` at the end, which is a block of zeros or, in archives cut
    /// short by their writer, the end of the stream.
    fn header(&mut self) -> Result<Option<[u8; BLOCK]>, TarError> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.inner.read(&mut block[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        if filled == 0 {
            return Ok(None);
        }
        if filled < BLOCK {
            return Err(self.problem("it ends within a header"));
        }
        let header = Header(&block);
        if header.is_end() {
            return Ok(None);
        }
        if !header.checksum_holds() {
            return Err(self.problem("a header's checksum is wrong"));
        }
        self.offset += BLOCK as u64;
        Ok(Some(block))
    }

    fn start_data(&mut self, size: u64) -> Result<(), TarError> {
        let padded = size
            .checked_next_multiple_of(BLOCK as u64)
            .filter(|padded| self.offset.checked_add(*padded).is_some())
            .ok_or_else(|| self.problem("a size is beyond all measure"))?;
        self.data = size;
        self.padding = padded - size;
        Ok(())
    }

    /// The data of an extension header.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        if size > MAX_EXTENSION {
            return Err(self.problem("an extension header is longer than 1 MiB"));
        }
        self.start_data(size)?;
        let mut data = Vec::new();
        self.read_to_end(&mut data)?;
        if (data.len() as u64) < size {
            return Err(self.problem("it ends within an extension header"));
        }
        Ok(data)
    }

    fn long_name(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        let mut name = self.extension(size)?;
        if let Some(end) = name.iter().position(|byte| *byte == 0) {
            name.truncate(end);
        }
        Ok(name)
    }

    /// Passes over what was not read of the current entry.
    fn skip_rest(&mut self) -> Result<(), TarError> {
        let rest = self.data + self.padding;
        let skipped = io::copy(&mut (&mut self.inner).take(rest), &mut io::sink())?;
        self.offset += skipped;
        (self.data, self.padding) = (0, 0);
        if skipped < rest {
            return Err(self.problem("it ends within an entry's data"));
        }
        Ok(())
    }
}

/// The data of the current entry.
impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.data).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.inner.read(&mut buffer[..wanted])?;
        self.data -= count as u64;
        self.offset += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Path and data.
    type Found = Vec<(Vec<u8>, Vec<u8>)>;

    fn names(archive: &[u8]) -> Result<Found, TarError> {
        let mut reader = TarReader::new(archive);
        let mut found = Vec::new();
        while let Some(entry) = reader.next()? {
            let mut data = Vec::new();
            reader.read_to_end(&mut data)?;
            found.push((entry.path, data));
        }
        Ok(found)
    }

    fn with_tar_crate(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut builder = ::tar::Builder::new(Vec::new());
        for (name, data) in files {
            let mut header = ::tar::Header::new_gnu();
            header.set_size(data.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, &data[..]).expect("appended");
        }
        builder.into_inner().expect("finished")
    }

    proptest! {
        /// The tar crate's archives, with names long enough for its extensions, read back.
        #[test]
        fn reads_what_another_writer_wrote(
            files in prop::collection::vec(("[a-z]{1,12}(/[a-z]{1,90}){0,4}", prop::collection::vec(any::<u8>(), 0..1200)), 0..6)
        ) {
            let expected: Vec<_> = files.iter().map(|(n, d)| (n.clone().into_bytes(), d.clone())).collect();
            prop_assert_eq!(names(&with_tar_crate(&files)).expect("readable"), expected);
        }

        /// Whatever is done to an archive: an answer, no panic, and bounded memory.
        #[test]
        fn survives_damage(
            size in 0usize..2000,
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
            cut in any::<prop::sample::Index>(),
        ) {
            let name = format!("a/{}", "n".repeat(size % 300 + 1));
            let mut archive = with_tar_crate(&[(name, vec![7; size])]);
            for (place, value) in damage {
                let place = place.index(archive.len());
                archive[place] = value;
            }
            archive.truncate(cut.index(archive.len()) + 1);
            let _ = names(&archive);
        }
    }

    #[test]
    fn an_extension_header_is_bounded_before_it_is_read() {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(1 << 40);
        header.set_entry_type(::tar::EntryType::XHeader);
        header.set_cksum();
        let endless = io::Read::chain(&header.as_bytes()[..], io::repeat(b'0'));
        let error = TarReader::new(endless).next().expect_err("refused");
        assert!(matches!(error, TarError::Format { problem, .. } if problem.contains("1 MiB")));
    }

    #[test]
    fn a_checksum_is_checked() {
        let mut archive = with_tar_crate(&[("a".into(), Vec::new())]);
        archive[0] = b'b';
        assert!(matches!(names(&archive), Err(TarError::Format { offset: 0, .. })));
    }
}
