//! `/etc/ld.so.cache`: where the system's libraries are, as the loader of the GNU C library reads it.

use std::collections::HashMap;
use std::path::PathBuf;

const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const ENTRY: usize = 24;

/// Paths by library name, in the cache's order. Variants for certain processors are left out:
/// what is packed here runs on every one of its kind.
pub(super) fn parse(bytes: &[u8]) -> HashMap<String, Vec<PathBuf>> {
    let mut found: HashMap<String, Vec<PathBuf>> = HashMap::new();
    // Caches made for old loaders, too, have the present form behind the old one.
    let Some(start) = bytes.windows(MAGIC.len()).position(|window| window == MAGIC) else {
        return found;
    };
    let cache = &bytes[start..];
    let count = number(cache, 20).unwrap_or(0) as usize;
    for index in 0..count {
        let entry = HEADER + index * ENTRY;
        let (Some(key), Some(value)) = (number(cache, entry + 4), number(cache, entry + 8)) else {
            break;
        };
        let is_for_some = cache.get(entry + 16..entry + 24).is_none_or(|hwcap| hwcap != [0; 8]);
        if is_for_some {
            continue;
        }
        if let (Some(name), Some(path)) = (string(cache, key), string(cache, value)) {
            found.entry(name).or_default().push(PathBuf::from(path));
        }
    }
    found
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(field.try_into().ok()?))
}

fn string(bytes: &[u8], at: u32) -> Option<String> {
    let rest = bytes.get(at as usize..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    String::from_utf8(rest[..end].to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cache(libraries: &[(&str, &str, u64)]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(u32::try_from(libraries.len()).expect("few").to_ne_bytes());
        bytes.resize(HEADER, 0);
        let mut place = HEADER + libraries.len() * ENTRY;
        let mut strings = Vec::new();
        for (name, path, hwcap) in libraries {
            bytes.extend(3_u32.to_ne_bytes());
            for text in [name, path] {
                bytes.extend(u32::try_from(place).expect("small").to_ne_bytes());
                strings.extend(text.as_bytes());
                strings.push(0);
                place += text.len() + 1;
            }
            bytes.extend(0_u32.to_ne_bytes());
            bytes.extend(hwcap.to_ne_bytes());
        }
        [bytes, strings].concat()
    }

    #[test]
    fn libraries_are_found_behind_an_old_cache_too() {
        let libraries = [
            ("liba.so.1", "/lib/liba.so.1", 0),
            ("liba.so.1", "/v3/liba.so.1", 1 << 62),
            ("libb.so", "/lib/libb.so", 0),
        ];
        for bytes in
            [cache(&libraries), [b"ld.so-1.7.0\0\0\0\0\0".to_vec(), cache(&libraries)].concat()]
        {
            let found = parse(&bytes);
            assert_eq!(found["liba.so.1"], [PathBuf::from("/lib/liba.so.1")]);
            assert_eq!(found["libb.so"], [PathBuf::from("/lib/libb.so")]);
        }
        assert!(parse(b"").is_empty());
    }

    proptest! {
        #[test]
        fn damage_is_survived(place in any::<prop::sample::Index>(), value: u8, cut in any::<prop::sample::Index>()) {
            let mut bytes = cache(&[("liba.so.1", "/lib/liba.so.1", 0)]);
            let place = place.index(bytes.len());
            bytes[place] = value;
            bytes.truncate(cut.index(bytes.len()));
            let _ = parse(&bytes);
        }
    }
}
