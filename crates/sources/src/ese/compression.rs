//! Compressed values: characters of 7 bits, and XPRESS ([MS-XCA] 2.4, plain LZ77).

/// A compressed value as it was, or its first `most` bytes; none if it is damaged, or compressed in a way that is not read.
pub(crate) fn unpack(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    let (head, rest) = bytes.split_first()?;
    match head >> 3 {
        // Not compressed: it did not become shorter.
        0 => Some(rest.get(..most).unwrap_or(rest).to_vec()),
        1 => Some(seven_bits(*head, rest, most).collect()),
        2 => {
            let characters = seven_bits(*head, rest, most.div_ceil(2));
            Some(characters.flat_map(|character| [character, 0]).collect())
        }
        3 => {
            let (size, rest) = rest.split_first_chunk()?;
            xpress(rest, usize::from(u16::from_le_bytes(*size)).min(most))
        }
        _ => None,
    }
}

/// Characters of 7 bits each, the lowest first. The head says how many bits of the last byte are used.
fn seven_bits(head: u8, bytes: &[u8], most: usize) -> impl Iterator<Item = u8> + '_ {
    let bits = (bytes.len() * 8).saturating_sub(7 - usize::from(head & 7));
    let bit = move |at: usize| {
        let byte = bytes.get(at / 8).copied().unwrap_or_default();
        byte >> (at % 8) & 1
    };
    (0..(bits / 7).min(most))
        .map(move |at| (0..7).fold(0, |sum, place| sum | bit(at * 7 + place) << place))
}

/// Reads what [MS-XCA] calls plain LZ77, to `size` bytes.
fn xpress(bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut out: Vec<u8> = Vec::with_capacity(size);
    let mut at = 0;
    let mut flags = (0_u32, 0_u32);
    // Where the byte is whose upper half is the next length.
    let mut half: Option<usize> = None;
    let byte = |at: &mut usize| {
        let byte = bytes.get(*at).copied();
        *at += 1;
        byte
    };
    let short = |at: &mut usize| {
        let two = bytes.get(*at..)?.first_chunk().copied();
        *at += 2;
        two.map(u16::from_le_bytes)
    };
    while out.len() < size {
        if flags.1 == 0 {
            let four = bytes.get(at..)?.first_chunk()?;
            flags = (u32::from_le_bytes(*four), 32);
            at += 4;
        }
        flags.1 -= 1;
        if flags.0 >> flags.1 & 1 == 0 {
            out.push(byte(&mut at)?);
            continue;
        }
        let token = short(&mut at)?;
        let (offset, mut length) = (usize::from(token >> 3) + 1, usize::from(token & 7));
        if length == 7 {
            length = match half.take() {
                Some(place) => usize::from(bytes.get(place)? >> 4),
                None => {
                    half = Some(at);
                    usize::from(byte(&mut at)? & 15)
                }
            };
            if length == 15 {
                length = usize::from(byte(&mut at)?);
                if length == 255 {
                    length = match short(&mut at)? {
                        0 => {
                            let four = bytes.get(at..)?.first_chunk()?;
                            at += 4;
                            u32::from_le_bytes(*four) as usize
                        }
                        length => usize::from(length),
                    };
                    length = length.checked_sub(15 + 7)?;
                }
                length += 15;
            }
            length += 7;
        }
        length += 3;
        for _ in 0..length.min(size - out.len()) {
            let copied = *out.get(out.len().checked_sub(offset)?)?;
            out.push(copied);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_ms_xca() {
        let letters = "abcdefghijklmnopqrstuvwxyz";
        let mut packed = vec![0x18, 26, 0, 0x3f, 0, 0, 0];
        packed.extend(letters.bytes());
        assert_eq!(unpack(&packed, 100).as_deref(), Some(letters.as_bytes()));
        assert_eq!(unpack(&packed, 3).as_deref(), Some(b"abc".as_slice()));
        let repeated = [
            0x18, 0x2c, 1, 0xff, 0xff, 0xff, 0x1f, 0x61, 0x62, 0x63, 0x17, 0, 0x0f, 0xff, 0x26, 1,
        ];
        assert_eq!(unpack(&repeated, 300), Some("abc".repeat(100).into_bytes()));
    }

    #[test]
    fn damage_is_no_value() {
        for bytes in [
            b"".as_slice(),
            &[0x18],
            &[0x18, 9, 0],
            // Goes back before the beginning.
            &[0x18, 9, 0, 0, 0, 0, 0x80, 8, 0],
            // Another way of compressing.
            &[0x28, 1, 2, 3],
        ] {
            assert_eq!(unpack(bytes, 100), None, "{bytes:?}");
        }
    }
}
