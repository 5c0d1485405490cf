//! A program that `just soak` runs on a node: it writes files and reads them back when
//! it is told to, and says of a write that it is done only once the disks have it. What
//! a file must hold follows from its name and generation, so that whoever finds other
//! bytes sees whose they are.
//!
//! It is compiled by itself, for a node's own C library may be another one: nothing here
//! but the standard library.
//!
//! usage: `hand DIRECTORY`, with commands on standard input, one a line:
//!
//! ```text
//! append NAME RECORD BYTES         one more record, the RECORDth, of BYTES
//! new NAME GENERATION BYTES        a whole file, under another name and renamed
//! over NAME GENERATION BYTES       the same file, emptied and written in its place
//! check NAME GENERATION BYTES      it holds this and no more
//! start NAME GENERATION BYTES      it begins with this
//! sum NAME                         its size and a sum
//! list                             all names, and `end`
//! ```

use std::fs::{self, File};
use std::io::{self, BufRead, Error, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Every so many bytes say whose they are.
const BLOCK: usize = 64;

/// The bytes of a file's generation from this block on.
fn block(name: &str, generation: u64, number: usize) -> [u8; BLOCK] {
    let mut block = [b'.'; BLOCK];
    let text = format!("{name} {generation} {} ", number * BLOCK);
    let length = text.len().min(BLOCK - 1);
    block[..length].copy_from_slice(&text.as_bytes()[..length]);
    block[BLOCK - 1] = b'\n';
    block
}

/// All bytes of a file's generation; `bytes` is rounded up to a block.
fn content(name: &str, generation: u64, bytes: usize) -> Vec<u8> {
    (0..bytes.div_ceil(BLOCK)).flat_map(|number| block(name, generation, number)).collect()
}

/// Where bytes begin to differ from what they must be, and what is there instead.
fn difference(read: &[u8], expected: &[u8], whole: bool) -> Option<String> {
    let same = read.iter().zip(expected).take_while(|(a, b)| a == b).count();
    if same == expected.len() && (!whole || read.len() == expected.len()) {
        return None;
    }
    let from = same / BLOCK * BLOCK;
    let there = &read[from.min(read.len())..(from + BLOCK).min(read.len())];
    let there = String::from_utf8_lossy(there).replace(['\n', '\0'], "_");
    let (has, should) = (read.len(), expected.len());
    Some(format!("{has} bytes for {should}, other ones from {same} on: `{there}`"))
}

/// FNV-1a.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

struct Hand {
    directory: PathBuf,
    /// The file that was appended to last, still open.
    open: Option<(String, File)>,
}

impl Hand {
    fn append(&mut self, name: &str, record: u64, bytes: usize) -> io::Result<()> {
        let file = match self.open.take() {
            Some((open, file)) if open == name => file,
            _ => {
                let path = self.directory.join(name);
                let file = File::options().append(true).create(true).open(path)?;
                File::open(&self.directory)?.sync_all()?;
                file
            }
        };
        let first = usize::try_from(record).map_err(Error::other)? * bytes / BLOCK;
        let blocks = bytes / BLOCK;
        let record: Vec<u8> = (first..first + blocks).flat_map(|n| block(name, 0, n)).collect();
        // In one call, as a till writes a line of its journal.
        let written = (&file).write(&record)?;
        if written != record.len() {
            return Err(Error::new(ErrorKind::WriteZero, format!("{written} bytes were taken")));
        }
        file.sync_all()?;
        self.open = Some((name.to_owned(), file));
        Ok(())
    }

    fn new_file(&self, name: &str, generation: u64, bytes: usize) -> io::Result<()> {
        let temporary = self.directory.join(format!(".{name}.part"));
        let mut file = File::create(&temporary)?;
        file.write_all(&content(name, generation, bytes))?;
        file.sync_all()?;
        fs::rename(&temporary, self.directory.join(name))?;
        File::open(&self.directory)?.sync_all()
    }

    /// As `head >file && sync file` does: synchronised by whoever opens it next.
    fn over(&self, name: &str, generation: u64, bytes: usize) -> io::Result<()> {
        let path = self.directory.join(name);
        let mut file = File::create(&path)?;
        for part in content(name, generation, bytes).chunks(8192) {
            file.write_all(part)?;
        }
        drop(file);
        File::open(&path)?.sync_all()
    }

    fn list(&self) -> io::Result<String> {
        let mut names = String::new();
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                names += &name;
                names.push('\n');
            }
        }
        Ok(names + "end")
    }

    fn obey(&mut self, line: &str) -> io::Result<String> {
        let unknown = || Error::new(ErrorKind::InvalidInput, format!("no command: {line}"));
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse().ok());
        let (verb, name) = match words.as_slice() {
            ["list"] => return self.list(),
            ["sum", name] => {
                let bytes = read(&self.directory.join(name))?;
                return Ok(format!("{} {:016x}", bytes.len(), sum(&bytes)));
            }
            [verb, name, _, _] => (*verb, *name),
            _ => return Err(unknown()),
        };
        let (Some(generation), Some(bytes)) = (number(2), number(3)) else {
            return Err(unknown());
        };
        let length = usize::try_from(bytes).map_err(Error::other)?;
        match verb {
            "append" => self.append(name, generation, length)?,
            "new" => self.new_file(name, generation, length)?,
            "over" => self.over(name, generation, length)?,
            "check" | "start" => {
                let read = read(&self.directory.join(name))?;
                let expected = content(name, generation, length);
                return Ok(match difference(&read, &expected, verb == "check") {
                    None => "same".to_owned(),
                    Some(difference) => format!("differs: {difference}"),
                });
            }
            _ => return Err(unknown()),
        }
        Ok("done".to_owned())
    }
}

fn main() -> io::Result<()> {
    let directory = std::env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.ok_or_else(|| Error::other("usage: hand DIRECTORY"))?;
    let mut hand = Hand { directory, open: None };
    for line in io::stdin().lock().lines() {
        let answer = match hand.obey(&line?) {
            Ok(answer) => answer,
            Err(error) => {
                hand.open = None;
                format!("failed: {error}")
            }
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, Hand};

    fn hand(directory: &tempfile::TempDir) -> Hand {
        Hand { directory: directory.path().to_owned(), open: None }
    }

    #[test]
    fn what_was_written_is_found_and_another_generation_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let mut hand = hand(&directory);
        assert_eq!(hand.obey("new a 3 1000").unwrap(), "done");
        assert_eq!(hand.obey("check a 3 1000").unwrap(), "same");
        assert_eq!(hand.obey("over a 4 1000").unwrap(), "done");
        assert_eq!(hand.obey("check a 4 1000").unwrap(), "same");
        let differs = hand.obey("check a 5 1000").unwrap();
        assert!(differs.starts_with("differs: 1024 bytes for 1024"), "{differs}");
        assert!(differs.contains("`a 4 0 ..."), "{differs}");
        assert!(hand.obey("check a 4 2000").unwrap().contains("1024 bytes for 2048"));
        assert_eq!(hand.obey("list").unwrap(), "a\nend");
    }

    #[test]
    fn a_record_more_than_was_acknowledged_is_none_lost_and_one_fewer_is() {
        let directory = tempfile::tempdir().unwrap();
        let mut hand = hand(&directory);
        for record in 0..3 {
            assert_eq!(hand.obey(&format!("append log {record} 256")).unwrap(), "done");
        }
        assert_eq!(hand.obey("start log 0 512").unwrap(), "same");
        assert_eq!(hand.obey("start log 0 768").unwrap(), "same");
        assert!(hand.obey("start log 0 1024").unwrap().starts_with("differs: 768 bytes"));
    }

    #[test]
    fn the_first_other_byte_is_told_with_what_is_there() {
        let expected = super::content("f", 1, BLOCK * 4);
        let mut read = expected.clone();
        read[BLOCK * 2..].fill(0);
        let told = super::difference(&read, &expected, true).unwrap();
        assert!(told.contains(&format!("from {} on", BLOCK * 2)), "{told}");
        assert_eq!(super::difference(&expected, &expected, true), None);
    }
}
