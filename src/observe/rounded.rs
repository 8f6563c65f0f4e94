//! Counts as others are told of them: whoever is told need not be told every change.

/// To two digits, up or down.
pub(super) fn rounded(number: u64, to: Rounding) -> u64 {
    let mut unit: u64 = 1;
    while number / unit >= 100 {
        unit *= 10;
    }
    let down = number / unit * unit;
    match to {
        Rounding::Up if down < number => down.saturating_add(unit),
        Rounding::Up | Rounding::Down => down,
    }
}

/// Which way.
pub(super) enum Rounding {
    Up,
    Down,
}

#[cfg(test)]
mod tests {
    use super::Rounding;
    use super::rounded;

    #[test]
    fn what_is_told_is_never_better_than_it_is() {
        for (number, down, up) in [
            (0, 0, 0),
            (99, 99, 99),
            (100, 100, 100),
            (101, 100, 110),
            (1_999, 1_900, 2_000),
            (u64::MAX, 18_000_000_000_000_000_000, u64::MAX),
        ] {
            let found = (
                rounded(number, Rounding::Down),
                rounded(number, Rounding::Up),
            );
            assert_eq!(found, (down, up), "{number}");
        }
    }
}
