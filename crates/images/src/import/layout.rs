//! The OCI image layout: `index.json`, and blobs by digest.

use super::source::Source;
use super::{Import, Select, is_named};
use crate::blobs::Expected;
use crate::digest::Digest;
use crate::error::Error;
use crate::manifest::{Descriptor, Document, Index};
use crate::platform::Platform;
use crate::repositories::MissingMembers;

/// How deep indexes may be nested.
const MAX_DEPTH: usize = 3;
/// Annotations that name an image: OCI's, and the one with the whole reference that containerd and
/// Docker write.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

impl Import<'_> {
    pub(super) fn layout(&self, source: &mut dyn Source) -> Result<Digest, Error> {
        let bytes = self.read(source, "index.json", self.store.limits().manifest_bytes)?;
        let index: Index = self.parse(&bytes, "index.json")?;
        let descriptor = self.select(&index)?;
        let tag = self.tag(names(descriptor).last());
        self.document(source, descriptor, Some(&tag), 0)
    }

    fn select<'a>(&self, index: &'a Index) -> Result<&'a Descriptor, Error> {
        let all = &index.manifests;
        let found = match &self.options.select {
            Select::Digest(digest) => all.iter().find(|descriptor| descriptor.digest == *digest),
            Select::Name(wanted) => {
                all.iter().find(|descriptor| names(descriptor).any(|name| is_named(name, wanted)))
            }
            Select::Only => match &all[..] {
                [only] => Some(only),
                several => only_for_host(several),
            },
        };
        found.ok_or_else(|| {
            let known: Vec<String> = all.iter().flat_map(names).map(str::to_owned).collect();
            self.no_such_image(&known)
        })
    }

    /// Stores a manifest or index with everything it needs.
    fn document(
        &self,
        source: &mut dyn Source,
        descriptor: &Descriptor,
        tag: Option<&str>,
        depth: usize,
    ) -> Result<Digest, Error> {
        let name = blob_name(descriptor.digest);
        let bytes = self.read(source, &name, self.store.limits().manifest_bytes)?;
        let found = Digest::of(&bytes);
        crate::blobs::check(Some(descriptor.into()), found, bytes.len() as u64, &name)?;
        let document = Document::parse(&bytes, Some(&descriptor.media_type))
            .map_err(|problem| Error::Invalid { what: name, problem })?;
        match &document {
            Document::Manifest(manifest) => {
                for part in std::iter::once(&manifest.config).chain(&manifest.layers) {
                    self.blob(source, part)?;
                }
            }
            Document::Index(index) => {
                if depth >= MAX_DEPTH {
                    return Err(self.problem(format!("indexes are nested deeper than {MAX_DEPTH}")));
                }
                for member in &index.manifests {
                    // Archives often hold one platform of several.
                    if source.has(&blob_name(member.digest))? {
                        self.document(source, member, None, depth + 1)?;
                    }
                }
            }
        }
        let repository = &self.options.repository;
        self.store.record_kept(repository, tag, &bytes, &document, MissingMembers::Allowed)
    }

    fn blob(&self, source: &mut dyn Source, part: &Descriptor) -> Result<(), Error> {
        let blobs = self.store.blobs();
        if blobs.size(part.digest)? == Some(part.size) {
            return Ok(());
        }
        let name = blob_name(part.digest);
        let Some((reader, length)) = source.open(&name)? else {
            return Err(Error::BlobMissing { digest: part.digest });
        };
        if length != part.size {
            return Err(Error::SizeMismatch { what: name, expected: part.size, found: length });
        }
        let limit = self.store.limits().blob_bytes;
        blobs.ingest(reader, Some(Expected::from(part)), limit, &name).map(drop)
    }
}

fn blob_name(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn names(descriptor: &Descriptor) -> impl Iterator<Item = &str> {
    NAMES.iter().filter_map(|key| descriptor.annotations.get(*key)).map(String::as_str)
}

/// The only one of several that says it is for this machine.
fn only_for_host(descriptors: &[Descriptor]) -> Option<&Descriptor> {
    let host = Platform::host();
    let mut fitting = descriptors.iter().filter(|descriptor| {
        descriptor.platform.as_ref().is_some_and(|platform| platform.runs_on(&host))
    });
    fitting.next().filter(|_| fitting.next().is_none())
}
