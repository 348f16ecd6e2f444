//! Text
#[cfg(test)]
mod generate;
