//! Bins of lags: ten a decade from 100 ms to 30 days, one below and one above.

/// How many bins there are.
pub const BINS: usize = EDGES.len() + 1;

const MONTH: i64 = 30 * 24 * 3_600_000;

/// A decade's ten steps, in 10 ns: whole numbers, so that the bins are the same on every machine.
const DECADE: [i64; 10] = [
    1_000_000_000,
    1_258_925_412,
    1_584_893_192,
    1_995_262_315,
    2_511_886_432,
    3_162_277_660,
    3_981_071_706,
    5_011_872_336,
    6_309_573_445,
    7_943_282_347,
];

/// The limits between bins, in milliseconds; each begins a bin.
const EDGES: [i64; 76] = edges();

const fn edges() -> [i64; 76] {
    let mut edges = [MONTH; 76];
    let mut decade = 1;
    let mut at = 0;
    while at < 75 {
        edges[at] = DECADE[at % 10] * decade / 10_000_000;
        at += 1;
        if at % 10 == 0 {
            decade *= 10;
        }
    }
    edges
}

/// The bin of a lag in milliseconds; below 0 counts as 0.
#[must_use]
pub fn bin(lag: i64) -> usize {
    EDGES.partition_point(|edge| *edge <= lag)
}

/// What a bin holds, in milliseconds: from the first number on to before the second. The last bin has no end.
#[must_use]
pub fn bin_range(bin: usize) -> (i64, Option<i64>) {
    let from = bin.checked_sub(1).map_or(0, |before| EDGES[before.min(EDGES.len() - 1)]);
    (from, EDGES.get(bin).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_bins_a_decade_from_100_ms_to_30_days() {
        assert_eq!(EDGES[..3], [100, 125, 158]);
        assert_eq!(EDGES[10..12], [1000, 1258]);
        assert_eq!(
            EDGES[70..],
            [1_000_000_000, 1_258_925_412, 1_584_893_192, 1_995_262_315, 2_511_886_432, MONTH]
        );
        for (at, edge) in EDGES[..75].iter().enumerate() {
            let exact = 100.0 * 10_f64.powf(at as f64 / 10.0);
            assert!((*edge as f64 - exact).abs() < 1.0, "{at}: {edge}, {exact}");
        }
    }

    #[test]
    fn every_lag_is_in_its_bin() {
        let cases = [
            (i64::MIN, 0),
            (-1, 0),
            (0, 0),
            (99, 0),
            (100, 1),
            (124, 1),
            (125, 2),
            (MONTH, 76),
            (i64::MAX, 76),
        ];
        for (lag, expected) in cases {
            assert_eq!(bin(lag), expected, "{lag}");
        }
        for at in 0..BINS {
            let (from, to) = bin_range(at);
            assert_eq!(bin(from), at);
            assert_eq!(to.is_none(), at + 1 == BINS);
            assert!(to.is_none_or(|to| bin(to - 1) == at && bin(to) == at + 1));
        }
        assert_eq!(bin_range(usize::MAX), (MONTH, None));
    }
}
