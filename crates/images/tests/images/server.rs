//! A registry on a port of its own, for clients of this machine.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use neargate_images::ImageStore;
use neargate_images::registry::{Credentials, Registry, RegistryOptions};
use tempfile::TempDir;

/// A store and the registry over it.
pub(crate) struct Server {
    pub(crate) store: Arc<ImageStore>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) credentials: Credentials,
    pub(crate) directory: TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Server {
    pub(crate) fn new(options: RegistryOptions) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let store = ImageStore::open(directory.path().join("store")).expect("opened");
        let store = Arc::new(store);
        let credentials = Credentials::open(&directory.path().join("key")).expect("made");
        let registry = Arc::new(Registry::new(store.clone(), credentials.clone(), options));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime");
        Self { store, registry, credentials, directory, runtime }
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Listens until the server is dropped.
    pub(crate) fn listen(&self) -> SocketAddr {
        let listener = self.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("bound");
        let address = listener.local_addr().expect("address");
        let registry = self.registry.clone();
        self.runtime.spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                tokio::spawn(connection(registry.clone(), stream, peer.ip()));
            }
        });
        address
    }

    /// A login that is good now.
    pub(crate) fn password(&self) -> String {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        self.credentials.token(since.as_millis() as u64).password
    }
}

async fn connection(registry: Arc<Registry>, stream: tokio::net::TcpStream, peer: IpAddr) {
    let service = service_fn(|request| {
        let registry = registry.clone();
        async move { Ok::<_, std::convert::Infallible>(registry.serve(request, peer).await) }
    });
    // Clients break connections as they like.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
