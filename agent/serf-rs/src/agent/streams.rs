//! Connections: each is a task that moves bytes and decides nothing.

use crate::swim::StreamId;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Bytes are read in pieces of this size at most.
const PIECE: usize = 16 * 1024;

/// What a connection reports to the driver.
#[derive(Debug)]
pub(super) enum Arrived {
    /// These bytes.
    Data(StreamId, Vec<u8>),
    /// Its end.
    Closed(StreamId, String),
}

/// The driver's end of a connection. Dropping it closes the connection once
/// everything is sent.
pub(super) type Outgoing = mpsc::UnboundedSender<Vec<u8>>;

/// Serves a connection that somebody else opened.
pub(super) fn serve(
    id: StreamId,
    stream: TcpStream,
    patience: Duration,
    to_driver: mpsc::Sender<Arrived>,
) -> Outgoing {
    let (outgoing, to_send) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let end = carry(id, stream, to_send, patience, &to_driver).await;
        report(&to_driver, id, end).await;
    });
    outgoing
}

/// Opens a connection and sends `first`.
pub(super) fn open(
    id: StreamId,
    to: SocketAddr,
    first: Vec<u8>,
    patience: Duration,
    to_driver: mpsc::Sender<Arrived>,
) -> Outgoing {
    let (outgoing, mut to_send) = mpsc::unbounded_channel::<Vec<u8>>();
    // The receiver is alive: it is in this function.
    let _ = outgoing.send(first);
    tokio::spawn(async move {
        let connected = tokio::select! {
            connected = TcpStream::connect(to) => connected,
            // The driver's patience ended before the network's.
            () = closed(&mut to_send) => return,
        };
        let end = match connected {
            Ok(stream) => carry(id, stream, to_send, patience, &to_driver).await,
            Err(error) => Err(error),
        };
        report(&to_driver, id, end).await;
    });
    outgoing
}

/// Waits until the driver lets go, without taking what it wants sent.
async fn closed(to_send: &mut mpsc::UnboundedReceiver<Vec<u8>>) {
    while !to_send.is_closed() {
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
}

async fn report(to_driver: &mpsc::Sender<Arrived>, id: StreamId, end: std::io::Result<()>) {
    let why = end.err().map_or_else(|| "the connection was closed".to_owned(), |e| e.to_string());
    // A driver that has ended needs no report.
    let _ = to_driver.send(Arrived::Closed(id, why)).await;
}

async fn carry(
    id: StreamId,
    mut stream: TcpStream,
    mut to_send: mpsc::UnboundedReceiver<Vec<u8>>,
    patience: Duration,
    to_driver: &mpsc::Sender<Arrived>,
) -> std::io::Result<()> {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(PIECE.min(4096));
    loop {
        tokio::select! {
            bytes = to_send.recv() => match bytes {
                // Who asks and never reads the answer shall not keep it in memory.
                Some(bytes) => timeout(patience, stream.write_all(&bytes)).await??,
                None => return stream.shutdown().await,
            },
            read = stream.read_buf(&mut buffer) => {
                if read? == 0 {
                    return Ok(());
                }
                let piece = std::mem::replace(&mut buffer, Vec::with_capacity(PIECE));
                if to_driver.send(Arrived::Data(id, piece)).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}
