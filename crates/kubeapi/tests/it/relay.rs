//! A wire to the API that can be cut, stalled and taken away.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle};

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    /// Everything goes through.
    Through,
    /// Connections are taken and nothing is ever said.
    Stalled,
    /// Connections are closed as soon as they come.
    Closed,
}

pub(crate) struct Relay {
    pub(crate) url: String,
    mode: Arc<Mutex<Mode>>,
    open: Arc<Mutex<Vec<AbortHandle>>>,
    taken: Arc<AtomicUsize>,
    accept: JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn to(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let mode = Arc::new(Mutex::new(Mode::Through));
        let open = Arc::new(Mutex::new(Vec::<AbortHandle>::new()));
        let taken = Arc::new(AtomicUsize::new(0));
        let (address, modes, opened, count) = (address.to_owned(), mode.clone(), open.clone(), taken.clone());
        let accept = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let now = *modes.lock().unwrap();
                let address = address.clone();
                let task = tokio::spawn(async move {
                    match now {
                        Mode::Closed => {}
                        Mode::Stalled => std::future::pending::<()>().await,
                        Mode::Through => {
                            if let Ok(mut server) = TcpStream::connect(address).await {
                                let _ = copy_bidirectional(&mut client, &mut server).await;
                            }
                        }
                    }
                });
                opened.lock().unwrap().push(task.abort_handle());
            }
        });
        Self { url, mode, open, taken, accept }
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    /// Ends every connection there is.
    pub(crate) fn cut(&self) {
        self.open.lock().unwrap().drain(..).for_each(|task| task.abort());
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accept.abort();
        self.cut();
    }
}
