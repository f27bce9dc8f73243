//! The ports of the credential sources. They can be closed, so that connections are refused, and opened again.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll, Waker};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;

use super::{CONTAINER_PATH, CredentialSource};

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// The port of each source.
#[derive(Debug)]
pub(crate) struct Ports {
    sts: Port,
    container: Port,
}

/// A port that stays reserved whether it is open or closed.
#[derive(Debug)]
struct Port {
    address: SocketAddr,
    /// A bound socket that never listens. It reserves the port while connections are refused.
    _reserved: TcpSocket,
    /// A listening socket while connections are accepted.
    listener: Option<TcpListener>,
    /// Notified when the port is opened or closed.
    accepting: Option<Waker>,
    /// The runtime, since the port may be opened from any thread.
    runtime: Handle,
}

impl Ports {
    /// Opens free ports at an address.
    pub(crate) fn open(ip: IpAddr) -> io::Result<Self> {
        Ok(Self { sts: Port::open(ip)?, container: Port::open(ip)? })
    }

    pub(crate) fn sts_endpoint(&self) -> String {
        format!("http://{}", self.sts.address)
    }

    pub(crate) fn container_uri(&self) -> String {
        format!("http://{}{CONTAINER_PATH}", self.container.address)
    }

    /// Makes a source refuse or accept connections from now on.
    pub(crate) fn set_refusing(&mut self, source: CredentialSource, refusing: bool) -> io::Result<()> {
        let port = self.port_mut(source);
        match (refusing, &port.listener) {
            (true, Some(_)) => port.listener = None,
            (false, None) => port.listener = Some(port.listen()?),
            _ => return Ok(()),
        }
        if let Some(accepting) = port.accepting.take() {
            accepting.wake();
        }
        Ok(())
    }

    /// Resolves when a source accepts connections.
    pub(crate) fn poll_open(&mut self, source: CredentialSource, context: &mut Context<'_>) -> Poll<()> {
        let port = self.port_mut(source);
        port.accepting = Some(context.waker().clone());
        if port.listener.is_some() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The next connection to a source; `None` if it refuses connections.
    pub(crate) fn poll_accept(
        &mut self,
        source: CredentialSource,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<TcpStream>>> {
        let port = self.port_mut(source);
        port.accepting = Some(context.waker().clone());
        match &port.listener {
            Some(listener) => listener.poll_accept(context).map(|accepted| Some(accepted.map(|(stream, _)| stream))),
            None => Poll::Ready(None),
        }
    }

    fn port_mut(&mut self, source: CredentialSource) -> &mut Port {
        match source {
            CredentialSource::Sts => &mut self.sts,
            CredentialSource::Container => &mut self.container,
        }
    }
}

impl Port {
    fn open(ip: IpAddr) -> io::Result<Self> {
        let reserved = bound(SocketAddr::new(ip, 0))?;
        let address = reserved.local_addr()?;
        let runtime = Handle::current();
        let mut port = Self { address, _reserved: reserved, listener: None, accepting: None, runtime };
        port.listener = Some(port.listen()?);
        Ok(port)
    }

    fn listen(&self) -> io::Result<TcpListener> {
        let _runtime = self.runtime.enter();
        bound(self.address)?.listen(BACKLOG)
    }
}

/// A socket that shares its port with others of this process. Only one of them listens.
fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}
