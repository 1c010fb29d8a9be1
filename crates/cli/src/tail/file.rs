//! The output of a container that has a file of its own.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A file that is being written, read line by line.
pub(crate) struct FileTail {
    path: PathBuf,
    reader: BufReader<File>,
    /// A line whose end has not been written yet.
    partial: Vec<u8>,
    /// Lines to show before what comes.
    first: VecDeque<String>,
}

impl FileTail {
    /// Opens the file at its last so many lines (`None`: at its beginning); `None` when there is
    /// no such file.
    pub(super) fn open(path: &Path, lines: Option<usize>) -> anyhow::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot open {}", path.display()));
            }
        };
        let mut tail = Self {
            path: path.to_owned(),
            reader: BufReader::new(file),
            partial: Vec::new(),
            first: VecDeque::new(),
        };
        if let Some(count) = lines {
            tail.skip_to_last(count)?;
        }
        Ok(Some(tail))
    }

    /// Reads to the end, keeping the last so many lines.
    fn skip_to_last(&mut self, count: usize) -> anyhow::Result<()> {
        while let Some(line) = self.next_line()? {
            self.first.push_back(line);
            if self.first.len() > count {
                self.first.pop_front();
            }
        }
        Ok(())
    }

    /// The lines that were completed since the last call.
    pub(super) fn new_lines(&mut self) -> anyhow::Result<Vec<String>> {
        let mut lines: Vec<String> = self.first.drain(..).collect();
        // Cut off by its owner: it begins anew.
        let length = self.reader.get_ref().metadata().map(|m| m.len());
        if let (Ok(length), Ok(position)) = (length, self.reader.stream_position())
            && length < position
        {
            self.reader.seek(SeekFrom::Start(0))?;
            self.partial.clear();
        }
        while let Some(line) = self.next_line()? {
            lines.push(line);
        }
        Ok(lines)
    }

    fn next_line(&mut self) -> anyhow::Result<Option<String>> {
        // A line without end must not fill our memory.
        const LINE_MAX: u64 = 1 << 20;
        let mut limited = self.reader.by_ref().take(LINE_MAX);
        let read = limited
            .read_until(b'\n', &mut self.partial)
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        if read == 0 || (self.partial.last() != Some(&b'\n') && (read as u64) < LINE_MAX) {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&self.partial);
        let line = line.trim_end_matches(['\n', '\r']).to_owned();
        self.partial.clear();
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_last_lines_then_whatever_comes_complete() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("output.log");
        assert!(FileTail::open(&path, Some(1)).unwrap().is_none());
        let mut file = File::create(&path).unwrap();
        file.write_all(b"one\ntwo\nthree\nfo").unwrap();
        let mut tail = FileTail::open(&path, Some(2)).unwrap().unwrap();
        assert_eq!(tail.new_lines().unwrap(), ["two", "three"]);
        assert!(tail.new_lines().unwrap().is_empty(), "`fo` has no end yet");
        file.write_all(b"ur\r\n\xff\n").unwrap();
        assert_eq!(tail.new_lines().unwrap(), ["four", "\u{fffd}"]);
        let mut from_start = FileTail::open(&path, None).unwrap().unwrap();
        assert_eq!(from_start.new_lines().unwrap().len(), 5);
        file.set_len(0).unwrap();
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"again\n").unwrap();
        assert_eq!(tail.new_lines().unwrap(), ["again"]);
    }
}
