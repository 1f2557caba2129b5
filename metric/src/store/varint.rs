//! Numbers without a fixed length: groups of seven bits, the lowest first. Pure.

/// Takes as many bytes off the beginning.
pub(super) fn split_array<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (array, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(array)
}

/// Adds a number in groups of seven bits.
pub(super) fn push_number(data: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        data.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    data.push(number.to_le_bytes()[0]);
}

/// Reads what [`push_number`] has written.
pub(super) fn read_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *rest.split_off_first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Adds a number of either sign, small ones in few bytes.
pub(super) fn push_signed(data: &mut Vec<u8>, number: i64) {
    push_number(data, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Reads what [`push_signed`] has written.
pub(super) fn read_signed(rest: &mut &[u8]) -> Option<i64> {
    let number = read_number(rest)?;
    Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_size_come_back() {
        for number in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut data = Vec::new();
            push_number(&mut data, number);
            assert_eq!(read_number(&mut &*data), Some(number));
            assert_eq!(read_number(&mut &data[..data.len() - 1]), None);
        }
        for number in [0, -1, 1, 63, -64, 64, i64::MAX, i64::MIN] {
            let mut data = Vec::new();
            push_signed(&mut data, number);
            assert_eq!(read_signed(&mut &*data), Some(number));
        }
        assert_eq!(read_number(&mut &[0xff; 11][..]), None);
    }
}
