//! The folder of a log, which must survive a power cut as its files do.

use crate::error::FileError;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Makes the folder's name durable, and those of the folders that it is in: any of them may have been created just now, or by one who was killed
/// before he came to this.
pub(crate) fn make_durable(folder: &Path) -> Result<(), FileError> {
    let failed = |path: &Path, error| FileError::new("sync the folder", path, error);
    for above in holders(folder).map_err(|error| failed(folder, error))? {
        match File::open(&above) {
            Ok(opened) => opened.sync_all().map_err(|error| failed(&above, error))?,
            // Somebody else's, and so is what is above it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
            Err(error) => return Err(failed(&above, error)),
        }
    }
    Ok(())
}

/// The folders that hold each other's names and this one's, up to where the file system begins: nobody creates folders across that.
fn holders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = fs::canonicalize(folder)?;
    let device = fs::metadata(&folder)?.dev();
    let is_same = |above: &&Path| fs::metadata(above).is_ok_and(|about| about.dev() == device);
    Ok(folder.ancestors().skip(1).take_while(is_same).map(Path::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_folders_that_hold_a_new_one_are_found_whatever_way_leads_to_it() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let folder = root.join("a/b/log");
        fs::create_dir_all(&folder).unwrap();
        symlink(&folder, root.join("link")).unwrap();
        for way in [folder.clone(), root.join("link"), root.join("a/../a/b/log/.")] {
            let holders = holders(&way).unwrap();
            assert_eq!(holders[..3], [root.join("a/b"), root.join("a"), root.clone()]);
            make_durable(&way).unwrap();
        }
        // A file system begins there.
        assert!(holders(Path::new("/proc")).unwrap().is_empty());
    }
}
