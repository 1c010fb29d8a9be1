//! How much of the machine an image may take.

/// Bounds on what comes from outside. The defaults are far above what real images have, and far
/// below what would hurt the machine without filling its disk first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one layer, unpacked. The default is what Fargate gives a task for its image and
    /// its own files together (20 GiB).
    pub layer_bytes: u64,
    /// Entries of one layer.
    pub layer_entries: u64,
    /// Bytes of one blob as it is stored or uploaded.
    pub blob_bytes: u64,
    /// Bytes of one manifest or index (4 MiB is what the distribution specification asks for).
    pub manifest_bytes: u64,
    /// Bytes of one image configuration.
    pub config_bytes: u64,
    /// Layers of one image; overlayfs takes no more than 500.
    pub layers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            layer_bytes: 20 << 30,
            layer_entries: 1_000_000,
            blob_bytes: 20 << 30,
            manifest_bytes: 4 << 20,
            config_bytes: 8 << 20,
            layers: 200,
        }
    }
}
