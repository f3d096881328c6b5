//! Where browsers come back to after a login.

use std::net::SocketAddr;
use std::str::FromStr;

/// An address, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginListen(pub Option<SocketAddr>);

/// Neither an address nor `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an address and a port, such as 127.0.0.1:9402 or [::]:9402, or off")]
pub struct InvalidLoginListen;

impl FromStr for LoginListen {
    type Err = InvalidLoginListen;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self(None));
        }
        let address = text.parse().map_err(|_| InvalidLoginListen)?;
        Ok(Self(Some(address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_an_address_or_off() {
        let parse = |text: &str| text.parse::<LoginListen>();
        assert_eq!(parse("off"), Ok(LoginListen(None)));
        let address = parse("[::]:9402").unwrap().0.unwrap();
        assert_eq!(address.port(), 9402);
        for wrong in ["", "9402", "localhost:9402", "Off"] {
            assert_eq!(parse(wrong), Err(InvalidLoginListen), "{wrong}");
        }
    }
}
