//! What an ELF file asks of the loader.

use std::fs::File;
use std::path::Path;

use object::elf::{
    DT_NEEDED, DT_NULL, DT_RPATH, DT_RUNPATH, DT_STRSZ, DT_STRTAB, EM_AARCH64, EM_X86_64,
    FileHeader64, PT_LOAD,
};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, ReadCache, ReadRef, StringTable};

use super::{PackError, open};

/// The dynamic part of an executable or library.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Linkage {
    /// As images name it: `amd64`, `arm64`.
    pub(super) architecture: String,
    /// The loader, for executables.
    pub(super) interpreter: Option<String>,
    /// Libraries by name or path.
    pub(super) needed: Vec<String>,
    /// Directories to look in, with tokens such as `$ORIGIN`.
    pub(super) rpath: Vec<String>,
    /// The same, for this file's own libraries only; makes `rpath` void.
    pub(super) runpath: Vec<String>,
}

/// Reads a file's linkage, and gives back the open file.
pub(super) fn linkage(path: &Path) -> Result<(Linkage, File), PackError> {
    let file = open(path)?;
    let cache = ReadCache::new(file);
    let linkage =
        parse(&cache).map_err(|problem| PackError::NotElf { path: path.to_owned(), problem })?;
    Ok((linkage, open(path)?))
}

fn parse<'data>(data: impl ReadRef<'data>) -> Result<Linkage, String> {
    let failed = |error: object::Error| error.to_string();
    let header = FileHeader64::<Endianness>::parse(data).map_err(failed)?;
    let endian = header.endian().map_err(failed)?;
    let architecture = match header.e_machine(endian) {
        EM_X86_64 => "amd64".to_owned(),
        EM_AARCH64 => "arm64".to_owned(),
        other => format!("ELF machine {other:?}"),
    };
    let mut linkage = Linkage { architecture, ..Linkage::default() };
    let segments = header.program_headers(endian, data).map_err(failed)?;
    let mut dynamic = &[][..];
    for segment in segments {
        if let Some(interpreter) = segment.interpreter(endian, data).map_err(failed)? {
            linkage.interpreter = Some(text(interpreter)?);
        }
        if let Some(entries) = segment.dynamic(endian, data).map_err(failed)? {
            dynamic = entries;
        }
    }
    let entries: Vec<_> = dynamic
        .iter()
        .map(|entry| (entry.d_tag(endian), entry.d_val(endian)))
        .take_while(|(tag, _)| *tag != DT_NULL)
        .collect();
    let value = |wanted| entries.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value);
    let (Some(address), Some(size)) = (value(DT_STRTAB), value(DT_STRSZ)) else {
        return Ok(linkage);
    };
    // The loader sees addresses; the file has the segment they are in.
    let start = segments.iter().find_map(|segment| {
        let (at, length) = (segment.p_vaddr(endian), segment.p_filesz(endian));
        let inside = address.checked_sub(at).filter(|inside| *inside < length)?;
        let is_loaded = segment.p_type(endian) == PT_LOAD;
        if is_loaded { segment.p_offset(endian).checked_add(inside) } else { None }
    });
    let start = start.ok_or("its string table is in no segment")?;
    let end = start.checked_add(size).ok_or("its string table has no end")?;
    let strings = StringTable::new(data, start, end);
    for (tag, value) in entries {
        let string = || {
            let offset =
                u32::try_from(value).map_err(|_| "a name is beyond its string table".to_owned())?;
            let bytes =
                strings.get(offset).map_err(|()| "a name is beyond its string table".to_owned())?;
            text(bytes)
        };
        let paths = || -> Result<Vec<String>, String> {
            Ok(string()?.split(':').filter(|path| !path.is_empty()).map(str::to_owned).collect())
        };
        match tag {
            DT_NEEDED => linkage.needed.push(string()?),
            DT_RPATH => linkage.rpath = paths()?,
            DT_RUNPATH => linkage.runpath = paths()?,
            _ => {}
        }
    }
    Ok(linkage)
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "a name in it is not UTF-8".to_owned())
}
