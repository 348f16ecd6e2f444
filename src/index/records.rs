//! The records of the file, with the layout that they have in it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

// The file is little-endian and its sections are read in place, so a
// big-endian machine would need a second, copying reader.
#[cfg(target_endian = "big")]
compile_error!("leakprint reads index files in place and supports little-endian targets only");

/// The `meta` section: recipe, key and counts.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct MetaRecord {
    pub(super) recipe_version: u32,
    pub(super) window: u32,
    pub(super) key_id: [u8; 8],
    /// [`KEY_STORED`] or nothing.
    pub(super) flags: u32,
    /// Buckets that are the home of grams.
    pub(super) homes: u32,
    pub(super) items: u32,
    pub(super) parts: u32,
    pub(super) pictures: u32,
    pub(super) digests: u32,
    pub(super) grams: u32,
    pub(super) postings: u32,
    pub(super) discounted_grams: u32,
    /// The order of the codes of places, 0..=31.
    pub(super) place_order: u32,
    /// The key where it is stored, else zero.
    pub(super) key: [u8; 32],
    /// The multiplier of the hash function of grams; odd.
    pub(super) multiplier: u64,
    /// Distinct cells.
    pub(super) cells: u32,
    /// Places of all cells.
    pub(super) cell_places: u32,
    /// Parts that have cells.
    pub(super) tables: u32,
    pub(super) discounted_cells: u32,
    pub(super) reserved: [u8; 16],
}

const _: () = assert!(size_of::<MetaRecord>() == 128);

/// In [`MetaRecord::flags`]: the key of the prints is in the file.
pub(super) const KEY_STORED: u32 = 1;

/// One item.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct ItemRecord {
    /// Where the name begins in the strings.
    pub(super) name_at: u64,
    /// Bytes of the name.
    pub(super) name_len: u32,
    /// The first of the item's parts; the last is before the first one of the next item.
    pub(super) first_part: u32,
}

/// One part.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct PartRecord {
    /// Where the path begins in the strings.
    pub(super) path_at: u64,
    /// The first of the part's anchors.
    pub(super) anchors_at: u64,
    /// Bytes of the path.
    pub(super) path_len: u32,
    pub(super) anchors_len: u32,
    pub(super) item: u32,
    /// Characters of the text.
    pub(super) chars: u32,
    /// Symbols of the text after folding.
    pub(super) folded: u32,
    /// Places of grams in this part.
    pub(super) grams: u32,
    /// Rows that have cells.
    pub(super) rows: u32,
    /// Places of cells in this part.
    pub(super) cells: u32,
    /// The first of the values in the part's text.
    pub(super) values_at: u32,
    /// The number of these values.
    pub(super) values: u32,
}

/// A value in the text of a part, for comparison with the value in the same place of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct ValueRecord {
    /// The symbol at which it begins, lower half first.
    pub(super) at: [u16; 2],
    /// Kind, size and the lowest bits of the print; see [`values`](super::values).
    pub(super) tag: u16,
}

/// One distinct value of the cells of tables.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct CellRecord {
    pub(super) print: u64,
    /// The first of its places; the last is before the first one of the next value.
    pub(super) first: u32,
    /// [`CELL_DISCOUNTED`] or nothing.
    pub(super) flags: u32,
}

/// In [`CellRecord::flags`]: unrelated content has this value too.
pub(super) const CELL_DISCOUNTED: u32 = 1;

/// The place of a value.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub(super) struct CellPlace {
    pub(super) part: u32,
    pub(super) row: u32,
    /// Twice the column, plus one if the values of the column differ from one another.
    pub(super) column: u32,
}

/// The part of a digest.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct DigestRecord {
    pub(super) part: u32,
    /// [`DIGEST_PIXELS`] and [`DIGEST_DISCOUNTED`].
    pub(super) flags: u32,
}

/// In [`DigestRecord::flags`]: computed from pixels, not from bytes.
pub(super) const DIGEST_PIXELS: u32 = 1;
/// In [`DigestRecord::flags`]: unrelated content has this digest too.
pub(super) const DIGEST_DISCOUNTED: u32 = 2;

/// One picture.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct PictureRecord {
    pub(super) nn512: [u64; 4],
    pub(super) part: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) quality: u8,
    /// [`PICTURE_DISCOUNTED`] or nothing.
    pub(super) flags: u8,
    /// [`Texture`](crate::raster::Texture).
    pub(super) flat: u8,
    pub(super) hard: u8,
    /// The first of the picture's local prints.
    pub(super) locals_at: u32,
    /// The number of its local prints.
    pub(super) locals: u32,
}

/// In [`PictureRecord::flags`]: unrelated content shows this picture too.
pub(super) const PICTURE_DISCOUNTED: u8 = 1;

/// One local print; see [`LocalPrint`](crate::fingerprint::LocalPrint).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct LocalRecord {
    pub(super) x: u16,
    pub(super) y: u16,
    pub(super) scale: u8,
    pub(super) angle: u8,
    /// [`LOCAL_BRIGHT`] and [`LOCAL_DISCOUNTED`].
    pub(super) flags: u8,
    /// Other pictures that have a like print.
    pub(super) others: u8,
    pub(crate) signature: [u64; 2],
}

/// An entry of a table: the number of a print, and the high half of its word for that table.
pub(crate) type LocalEntry = [u32; 2];

/// In [`LocalRecord::flags`]: brighter than its surroundings.
pub(super) const LOCAL_BRIGHT: u8 = 1;
/// In [`LocalRecord::flags`]: unrelated content has a like print.
pub(super) const LOCAL_DISCOUNTED: u8 = 2;
