//! PDQ
mod dct;
pub(super) mod downscale;
#[cfg(test)]
mod twin;
use serde::{Serialize,Deserialize};
use crate::code::Code256;
use crate::raster::Raster;
/// side
const GRID: usize = 64;
pub(super) type Grid = [[f32; GRID]; GRID];
/// x
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PdqHash { /// v
 pub variants: [Code256; 8], /// q
 pub quality: u8 }

impl PdqHash {
    /// x
    pub fn of(raster: &Raster) -> Self {
        let (w, h) = (raster.width() as usize, raster.height() as usize);
        let mut d = downscale::Downscale::new(w, h);
        let mut band = vec![0.0; 8 * w];
        let mut y = 0;
        while y < h {
            let n = 8.min(h - y);
            for r in 0..n {
                raster.luma_row((y + r) as u32, &mut band[r * w..][..w]);
            }
            d.push(&band[..n * w]);
            y += n;
        }
        Self::of_grid(&d.finish())
    }
    fn of_grid(grid: &Grid) -> Self {
        let b = dct::frequencies(grid);
        let v = crate::raster::Dihedral::ALL.map(|d| {
            let t = dct::transformed(&b, d);
            dct::bits_above(&t, dct::median(&t))
        });
        Self { variants: v, quality: 0 }
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn fast_is_twin() {
        let mut s = 1u32;
        for (w, h) in [(1,1),(5,5),(64,64),(63,64),(65,64),(127,129),(130,260),(700,33),(33,700),(129,1),(1200,80),(257,513)] {
            let plane: Vec<f32> = (0..w*h).map(|_| { s = s.wrapping_mul(1664525).wrapping_add(1013904223); (s >> 24) as f32 * 0.299 }).collect();
            let mut d = downscale::Downscale::new(w, h);
            d.push(&plane);
            let g = d.finish();
            let t = twin::grid(&plane, w, h);
            assert_eq!(g.as_flattened().iter().map(|v| v.to_bits()).collect::<Vec<_>>(), t.as_flattened().iter().map(|v| v.to_bits()).collect::<Vec<_>>(), "{w} x {h}");
            assert_eq!(dct::frequencies(&g), twin::frequencies(&t));
        }
    }
}
