//! Writes every TIFF of the test matrix into a folder, with the pixels that it should decode to beside it:
//! `cargo run -p outcrop-testkit --example tiff-matrix -- FOLDER`.

fn main() -> std::io::Result<()> {
    let folder = std::path::PathBuf::from(std::env::args().nth(1).expect("a folder"));
    std::fs::create_dir_all(&folder)?;
    for case in outcrop_testkit::tiff_matrix::all_cases() {
        std::fs::write(folder.join(format!("{}.tif", case.name())), case.file())?;
        std::fs::write(folder.join(format!("{}.bin", case.content())), case.pixels())?;
    }
    Ok(())
}
