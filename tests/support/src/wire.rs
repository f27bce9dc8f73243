//! A wire: a TCP proxy between the operator and a server that can be slow, silent or cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What the wire does with data and connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weather {
    /// Data passes.
    #[default]
    Fair,
    /// Data passes after this delay.
    Slow(Duration),
    /// No data passes and no connection ends; new ones are accepted. The data sent meanwhile is delivered when the
    /// state changes, unless its sender is gone by then.
    Silent,
    /// All connections are reset, and new ones as soon as they are made.
    Reset,
    /// The direction from the server is closed; data to the server passes. The same for new connections.
    HalfClosed,
}

/// A TCP proxy that disturbs connections as the test says. TLS passes through it unchanged.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    /// The state of new connections is last. Before it are those of stranded connections.
    weather: Arc<Mutex<Vec<watch::Sender<Weather>>>>,
    listener: AbortHandle,
}

impl Wire {
    /// Starts a wire to this address on a free port of 127.0.0.1, as a task of the current runtime.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it listens");
        let weather = Arc::new(Mutex::new(vec![watch::Sender::new(Weather::Fair)]));
        let seen = Arc::clone(&weather);
        let listener = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Some(weather) = lock(&seen).last() {
                    tokio::spawn(carry(client, server, weather.subscribe()));
                }
            }
        });
        Self { address, weather, listener: listener.abort_handle() }
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the state of existing and new connections.
    pub fn weather(&self, weather: Weather) {
        for each in lock(&self.weather).iter() {
            each.send_replace(weather);
        }
    }

    /// Makes the existing connections silent, as when a firewall forgets them. New ones are not affected.
    pub fn strand(&self) {
        self.weather(Weather::Silent);
        lock(&self.weather).push(watch::Sender::new(Weather::Fair));
    }
}

/// All connections are cut, since their state can no longer change.
impl Drop for Wire {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn carry(client: TcpStream, server: SocketAddr, mut weather: watch::Receiver<Weather>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let cut = {
        let mut weather = weather.clone();
        async move {
            // An error means that the wire was dropped.
            let _ = weather.wait_for(|weather| *weather == Weather::Reset).await;
        }
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let half_closed = *weather.borrow_and_update() == Weather::HalfClosed;
    let (mut client, mut server) = (client, server);
    {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let there = pour(&mut from_client, &mut to_server, weather.clone(), false);
        let back = async {
            if !half_closed {
                pour(&mut from_server, &mut to_client, weather.clone(), true).await;
            }
            let _ = to_client.shutdown().await;
        };
        tokio::select! {
            // The client is gone, and the data held back from it is dropped.
            () = there => return,
            () = async { back.await; std::future::pending().await } => {}
            () = cut => {}
        }
    }
    let _ = (client.set_zero_linger(), server.set_zero_linger());
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forwards data until one side closes.
async fn pour(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut weather: watch::Receiver<Weather>,
    to_client: bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let ends = to_client && *weather.borrow_and_update() == Weather::HalfClosed;
        let read = tokio::select! {
            _ = weather.changed() => continue,
            read = from.read(&mut buffer), if !ends => read,
            () = std::future::ready(()), if ends => return,
        };
        let Ok(length @ 1..) = read else { return };
        let mut lot = Vec::from(&buffer[..length]);
        loop {
            let now = *weather.borrow_and_update();
            match now {
                Weather::Slow(late) => tokio::time::sleep(late).await,
                Weather::Silent => {
                    let mut more = [0; 1024];
                    tokio::select! {
                        changed = weather.changed() => if changed.is_err() { return },
                        // Only the end of the connection matters here; data waits.
                        read = from.read(&mut more) => match read {
                            Ok(length @ 1..) => lot.extend_from_slice(&more[..length]),
                            _ => return,
                        },
                    }
                    continue;
                }
                Weather::Fair | Weather::Reset | Weather::HalfClosed => {}
            }
            break;
        }
        if to.write_all(&lot).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait;

    /// A server that echoes its input, and a client that reaches it through a wire.
    async fn echo() -> (Wire, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let wire = Wire::to(listener.local_addr().expect("an address")).await;
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        let client = TcpStream::connect(wire.address()).await.expect("it listens");
        (wire, client)
    }

    async fn hears(client: &mut TcpStream) -> std::io::Result<String> {
        let mut buffer = [0; 16];
        let heard = tokio::time::timeout(wait::SOON, client.read(&mut buffer)).await.expect("in time")?;
        Ok(String::from_utf8_lossy(&buffer[..heard]).into_owned())
    }

    #[tokio::test]
    async fn what_was_said_in_silence_arrives_after_it() {
        let (wire, mut client) = echo().await;
        client.write_all(b"one").await.expect("it is taken");
        assert_eq!(hears(&mut client).await.expect("an answer"), "one");
        wire.weather(Weather::Silent);
        client.write_all(b"two").await.expect("it is taken");
        let heard = tokio::time::timeout(Duration::from_millis(200), client.readable()).await;
        assert!(heard.is_err(), "nothing is heard");
        wire.weather(Weather::Fair);
        assert_eq!(hears(&mut client).await.expect("an answer"), "two");
    }

    #[tokio::test]
    async fn who_is_stranded_hears_no_more_and_others_do() {
        let (wire, mut stranded) = echo().await;
        stranded.write_all(b"one").await.expect("it is taken");
        assert_eq!(hears(&mut stranded).await.expect("an answer"), "one");
        wire.strand();
        stranded.write_all(b"two").await.expect("it is taken");
        let mut other = TcpStream::connect(wire.address()).await.expect("it listens");
        other.write_all(b"three").await.expect("it is taken");
        assert_eq!(hears(&mut other).await.expect("an answer"), "three");
        let heard = tokio::time::timeout(Duration::from_millis(200), stranded.readable()).await;
        assert!(heard.is_err(), "nothing is heard");
    }

    #[tokio::test]
    async fn a_reset_is_a_reset_and_a_half_is_an_end() {
        let (wire, mut client) = echo().await;
        client.write_all(b"one").await.expect("it is taken");
        assert_eq!(hears(&mut client).await.expect("an answer"), "one");
        wire.weather(Weather::HalfClosed);
        assert_eq!(hears(&mut client).await.expect("an end"), "");
        wire.weather(Weather::Fair);
        let mut client = TcpStream::connect(wire.address()).await.expect("it listens");
        client.write_all(b"two").await.expect("it is taken");
        assert_eq!(hears(&mut client).await.expect("an answer"), "two");
        wire.weather(Weather::Reset);
        let error = hears(&mut client).await.expect_err("a reset");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
}
