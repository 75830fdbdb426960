//! The addresses to which the server may connect: those of the public Internet, and those that the operator
//! allows.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The ranges that the operator allows in addition to the public Internet.
#[derive(Clone, Debug, Default)]
pub struct AddressRules {
    allowed: Vec<IpNet>,
}

/// The kind of a forbidden address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forbidden(&'static str);

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl AddressRules {
    pub fn allowing(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    /// Refuses an address outside the public Internet and the allowed ranges.
    pub fn check(&self, address: IpAddr) -> Result<(), Forbidden> {
        // An allowed IPv4 range does not allow IPv6 addresses that embed one of its addresses.
        if self.allowed.iter().any(|range| range.contains(&address)) {
            return Ok(());
        }
        let forbidden = match address {
            IpAddr::V4(address) => forbidden_v4(address),
            IpAddr::V6(address) => forbidden_v6(address),
        };
        forbidden.map_or(Ok(()), |kind| Err(Forbidden(kind)))
    }
}

/// The IPv4 addresses that are not global in the IANA registry of special-purpose addresses (RFC 6890),
/// multicast, and one public address that only virtual machines on Azure can reach.
const FORBIDDEN_V4: &[(Ipv4Net, &str)] = &[
    (v4([0, 0, 0, 0], 8), "unspecified, of this network"),
    (v4([10, 0, 0, 0], 8), "private"),
    (v4([100, 64, 0, 0], 10), "a carrier's shared address"),
    (v4([127, 0, 0, 0], 8), "loopback"),
    (v4([168, 63, 129, 16], 32), "Azure's metadata address"),
    (v4([169, 254, 0, 0], 16), "link-local, where clouds serve metadata"),
    (v4([172, 16, 0, 0], 12), "private"),
    (v4([192, 0, 0, 0], 24), "reserved for protocols"),
    (v4([192, 0, 2, 0], 24), "reserved for documentation"),
    (v4([192, 88, 99, 0], 24), "a 6to4 relay"),
    (v4([192, 168, 0, 0], 16), "private"),
    (v4([198, 18, 0, 0], 15), "reserved for benchmarks"),
    (v4([198, 51, 100, 0], 24), "reserved for documentation"),
    (v4([203, 0, 113, 0], 24), "reserved for documentation"),
    (v4([224, 0, 0, 0], 4), "multicast"),
    (v4([240, 0, 0, 0], 4), "reserved or broadcast"),
];

/// The addresses within global unicast that are not global, or that embed an arbitrary IPv4 address.
const FORBIDDEN_V6: &[(Ipv6Net, &str)] = &[
    // Teredo, benchmarks, ORCHID and more (RFC 2928).
    (v6([0x2001, 0, 0], 23), "reserved for protocols, such as Teredo"),
    (v6([0x2001, 0xdb8, 0], 32), "reserved for documentation"),
    (v6([0x2002, 0, 0], 16), "6to4, which embeds an IPv4 address"),
    (v6([0x3fff, 0, 0], 20), "reserved for documentation"),
];

/// Outside global unicast, where a better reason than that can be given.
const NAMED_V6: &[(Ipv6Net, &str)] = &[
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128), "unspecified"),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "loopback"),
    (
        Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96),
        "an IPv4 address inside an IPv6 address",
    ),
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 96), "an IPv4 address inside an IPv6 address"),
    (v6([0x64, 0xff9b, 0], 96), "NAT64, which embeds an IPv4 address"),
    (v6([0x64, 0xff9b, 1], 48), "NAT64, which embeds an IPv4 address"),
    (v6([0xfc00, 0, 0], 7), "private"),
    (v6([0xfe80, 0, 0], 10), "link-local"),
    (v6([0xff00, 0, 0], 8), "multicast"),
];

/// The only IPv6 addresses in use on the public Internet (RFC 4291 §2.4, IANA).
const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0], 3);

fn forbidden_v4(address: Ipv4Addr) -> Option<&'static str> {
    FORBIDDEN_V4.iter().find(|(range, _)| range.contains(&address)).map(|(_, kind)| *kind)
}

fn forbidden_v6(address: Ipv6Addr) -> Option<&'static str> {
    let kind = |ranges: &[(Ipv6Net, &'static str)]| {
        ranges.iter().find(|(range, _)| range.contains(&address)).map(|(_, kind)| *kind)
    };
    if GLOBAL_UNICAST.contains(&address) {
        kind(FORBIDDEN_V6)
    } else {
        Some(kind(NAMED_V6).unwrap_or("outside the public Internet"))
    }
}

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b, c]: [u16; 3], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rules: &AddressRules, address: &str) -> Result<(), Forbidden> {
        rules.check(address.parse().unwrap())
    }

    #[test]
    fn the_public_internet_may_be_connected_to() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2600::1",
            "2001:200::1",
            "2606:4700::1111",
            "3ffe::1",
        ] {
            assert_eq!(check(&AddressRules::default(), address), Ok(()), "{address}");
        }
    }

    #[test]
    fn no_other_address_may_be_connected_to() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.0",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:8.8.8.8",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::a9fe:a9fe",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::1",
            "fe80::a9fe:a9fe",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(check(&AddressRules::default(), address).is_err(), "{address}");
        }
    }

    #[test]
    fn an_allowed_range_allows_no_address_that_embeds_it() {
        let ranges = ["10.1.0.0/16", "fd00:1::/32"].map(|range| range.parse().unwrap());
        let rules = AddressRules::allowing(ranges.to_vec());
        for address in ["10.1.0.0", "10.1.255.255", "fd00:1::7", "1.1.1.1"] {
            assert_eq!(check(&rules, address), Ok(()), "{address}");
        }
        for address in
            ["10.0.255.255", "10.2.0.0", "::ffff:10.1.0.1", "64:ff9b::a01:1", "2002:a01:1::", "fd00:2::1"]
        {
            assert!(check(&rules, address).is_err(), "{address}");
        }
    }
}
