//! Numbers of bytes as people write them: `65536`, `64Ki`, `1Mi`, `500k`.

/// A whole number, alone or with a unit of a Kubernetes quantity: k, M, G, Ki, Mi, Gi. `None` if it is neither, or more
/// than a machine can count.
pub fn parse(text: &str) -> Option<u64> {
    let units = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("", 1),
    ];
    units.into_iter().find_map(|(unit, bytes)| {
        let digits = text.strip_suffix(unit)?;
        // A sign is none of a quantity's business.
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 = digits.parse().ok().filter(|_| is_number)?;
        number.checked_mul(bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_may_have_a_unit() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("65536", Some(65_536)),
            ("64Ki", Some(65_536)),
            ("1Mi", Some(1 << 20)),
            ("2Gi", Some(2 << 30)),
            ("500k", Some(500_000)),
            ("1M", Some(1_000_000)),
            ("1G", Some(1_000_000_000)),
            ("", None),
            ("Ki", None),
            ("+1", None),
            ("-1", None),
            ("1.5Mi", None),
            ("1 Mi", None),
            ("1KB", None),
            ("99999999999999999999", None),
            ("99999999999999Gi", None),
        ] {
            assert_eq!(parse(text), bytes, "{text}");
        }
    }
}
