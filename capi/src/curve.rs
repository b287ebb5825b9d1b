//! Keys of CURVE, as text.

use std::ffi::{c_char, c_int};

use crate::{entry::status, errno::Errno};

/// Makes a pair of keys, each 40 characters and the end.
///
/// # Safety
/// 41 characters can be written at each of the two.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_curve_keypair(public: *mut c_char, secret: *mut c_char) -> c_int {
    status(|| {
        if public.is_null() || secret.is_null() {
            return Err(Errno::EFAULT);
        }
        let keys = keys::pair()?;
        // SAFETY: there is room for 41 characters at each.
        unsafe {
            write(public, &keys.0);
            write(secret, &keys.1);
        }
        Ok(())
    })
}

/// The public key that goes with a secret one.
///
/// # Safety
/// 41 characters can be written at `public`; `secret` is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_curve_public(public: *mut c_char, secret: *const c_char) -> c_int {
    status(|| {
        if public.is_null() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the same as ours.
        let text = unsafe { crate::entry::text(secret) }?;
        let key = keys::public(text)?;
        // SAFETY: there is room for 41 characters.
        unsafe { write(public, &key) };
        Ok(())
    })
}

/// # Safety
/// 41 characters can be written at `place`.
unsafe fn write(place: *mut c_char, text: &str) {
    debug_assert_eq!(text.len(), 40, "a key's text has 40 characters");
    // SAFETY: there is room for them, and the end.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), place, text.len());
        *place.add(text.len()) = 0;
    }
}

#[cfg(feature = "curve")]
mod keys {
    use hubless::{KeyPair, SecretKey};

    use crate::errno::Errno;

    pub(super) fn pair() -> Result<(String, String), Errno> {
        let pair = KeyPair::generate();
        Ok((pair.public().to_string(), pair.secret().to_z85()))
    }

    pub(super) fn public(secret: &str) -> Result<String, Errno> {
        let secret: SecretKey = secret.parse().map_err(|_| Errno::EINVAL)?;
        Ok(KeyPair::from(secret).public().to_string())
    }
}

#[cfg(not(feature = "curve"))]
mod keys {
    use crate::errno::Errno;

    pub(super) fn pair() -> Result<(String, String), Errno> {
        Err(Errno::ENOTSUP)
    }

    pub(super) fn public(_: &str) -> Result<String, Errno> {
        Err(Errno::ENOTSUP)
    }
}
