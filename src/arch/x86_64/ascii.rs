//! Conversion of ASCII bytes to symbols, 32 at a time: byte shuffles read the table, and another one
//! removes dropped bytes, eight at a time.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_loadu_si128, _mm_shuffle_epi8,
    _mm256_adds_epu8, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8,
    _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_storeu_si256, _mm256_xor_si256,
};

use crate::arch::ascii::{Alphabet, BLOCK, Block, Places, STOP, Symbols, Unmerged};

impl super::avx2::Avx2 {
    pub(in crate::arch) fn ascii(self, alphabet: &Alphabet, bytes: &[u8], block: &mut Block) {
        // SAFETY: `self` exists, so the CPU has the features.
        unsafe { ascii(alphabet, bytes, block) }
    }
}

impl super::avx512::Avx512 {
    pub(in crate::arch) fn ascii(self, alphabet: &Alphabet, bytes: &[u8], block: &mut Block) {
        // SAFETY: with AVX-512 detected, so are the features.
        unsafe { ascii(alphabet, bytes, block) }
    }
}

/// For each set of bytes of eight that are kept, their positions, the first lowest.
static KEPT: [u64; 256] = {
    let mut table = [0; 256];
    let mut set = 0;
    while set < 256 {
        let (mut place, mut len) = (0, 0);
        while place < 8 {
            if set >> place & 1 != 0 {
                table[set] |= place << (8 * len);
                len += 1;
            }
            place += 1;
        }
        set += 1;
    }
    table
};

#[target_feature(enable = "avx2,bmi1,popcnt")]
fn ascii(alphabet: &Alphabet, bytes: &[u8], block: &mut Block) {
    block.fill(alphabet, bytes, |alphabet, bytes, symbols, places| {
        translate(alphabet, bytes, symbols, places)
    });
}

#[target_feature(enable = "avx2,bmi1,popcnt")]
fn translate(
    alphabet: &Alphabet,
    bytes: &[u8; BLOCK],
    symbols: &mut Symbols,
    places: &mut Places,
) -> Unmerged {
    let mut translated = [0_u8; BLOCK];
    let (mut stops, mut stays) = (0_u64, 0_u64);
    for half in 0..2 {
        // SAFETY: a half of the 64 bytes; no alignment is needed.
        let bytes: __m256i = unsafe { _mm256_loadu_si256(bytes.as_ptr().add(32 * half).cast()) };
        let own = look_up(&alphabet.symbols, bytes);
        // SAFETY: as above.
        unsafe { _mm256_storeu_si256(translated.as_mut_ptr().add(32 * half).cast(), own) };
        let stop = _mm256_cmpeq_epi8(own, _mm256_set1_epi8(STOP.cast_signed()));
        let dropped = _mm256_cmpeq_epi8(own, _mm256_setzero_si256());
        // A byte outside ASCII has its upper bit set.
        stops |= bits(_mm256_or_si256(stop, bytes)) << (32 * half);
        stays |= (bits(dropped) ^ 0xffff_ffff) << (32 * half);
    }
    let read = stops.trailing_zeros() as usize;
    if let Some(behind) = u64::MAX.checked_shl(read as u32) {
        stays &= !behind;
    }

    let mut len = 0;
    let eights = translated.as_chunks::<8>().0;
    for (eight, first) in eights.iter().zip((0_u64..).step_by(8)) {
        let set = stays >> first & 0xff;
        let staying = KEPT[set as usize];
        // The places are all below 64, so that no sum runs into the next byte.
        let own = staying + first * 0x0101_0101_0101_0101;
        let squeezed = _mm_shuffle_epi8(
            _mm_cvtsi64_si128(i64::from_le_bytes(*eight)),
            _mm_cvtsi64_si128(staying.cast_signed()),
        );
        // At most 56 symbols stand before the last eight bytes.
        if let Some(room) = symbols[1 + (len & 63)..].first_chunk_mut::<8>() {
            *room = _mm_cvtsi128_si64(squeezed).to_le_bytes();
        }
        if let Some(room) = places[len & 63..].first_chunk_mut::<8>() {
            *room = own.to_le_bytes();
        }
        len += set.count_ones() as usize;
    }

    let mut pairs = 0_u64;
    for half in 0..2 {
        // SAFETY: the second half ends one byte after the 64 that follow the first byte,
        // and the room is 80 bytes.
        let (before, own): (__m256i, __m256i) = unsafe {
            let before = symbols.as_ptr().add(32 * half);
            (
                _mm256_loadu_si256(before.cast()),
                _mm256_loadu_si256(before.add(1).cast()),
            )
        };
        let mut found = _mm256_setzero_si256();
        for [first, second, _] in alphabet.merges {
            let first = _mm256_cmpeq_epi8(before, _mm256_set1_epi8(first.cast_signed()));
            let second = _mm256_cmpeq_epi8(own, _mm256_set1_epi8(second.cast_signed()));
            found = _mm256_or_si256(found, _mm256_and_si256(first, second));
        }
        pairs |= bits(found) << (32 * half);
    }
    if let Some(behind) = u64::MAX.checked_shl(len as u32) {
        pairs &= !behind;
    }
    Unmerged { read, len, pairs }
}

/// Returns the highest bit of each byte.
#[target_feature(enable = "avx2")]
fn bits(bytes: __m256i) -> u64 {
    u64::from(_mm256_movemask_epi8(bytes).cast_unsigned())
}

/// Returns the entry of each byte, 0 for those outside ASCII.
#[target_feature(enable = "avx2")]
fn look_up(table: &[u8; 128], bytes: __m256i) -> __m256i {
    let mut found = _mm256_setzero_si256();
    for (row, number) in table.as_chunks::<16>().0.iter().zip(0_u8..) {
        // SAFETY: a row has the 16 bytes that are read; no alignment is needed.
        let row: __m128i = unsafe { _mm_loadu_si128(row.as_ptr().cast()) };
        let row = _mm256_broadcastsi128_si256(row);
        // Where the upper nibble is the row's, 0x70 to 0x7f are left; any other byte gets
        // its upper bit set, for which a shuffle gives 0.
        let number = _mm256_set1_epi8((number << 4).cast_signed());
        let places = _mm256_adds_epu8(_mm256_xor_si256(bytes, number), _mm256_set1_epi8(0x70));
        found = _mm256_or_si256(found, _mm256_shuffle_epi8(row, places));
    }
    found
}
