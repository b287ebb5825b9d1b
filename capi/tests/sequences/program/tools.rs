//! What needs neither a context nor a socket: keys, counters, stopwatches, threads, texts.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    ptr,
};

use zmq::*;

use super::{Dice, judge, ok};

/// Text of keys, right or wrong.
pub fn keys(dice: &mut Dice<'_>) {
    let letters = dice.octets(60).iter().map(|octet| octet % 127 + 1);
    let text = CString::new(letters.collect::<Vec<u8>>()).expect("no zero");
    let (mut octets, mut again) = ([0_u8; 64], [0 as c_char; 80]);
    // SAFETY: there is more room than 60 letters, or 41, take.
    unsafe {
        let decoded = zmq_z85_decode(octets.as_mut_ptr(), text.as_ptr());
        if !judge(decoded, ptr::null_mut()).is_null() {
            let size = text.count_bytes() / 5 * 4;
            zmq_z85_encode(again.as_mut_ptr(), octets.as_ptr(), size);
            let same = CStr::from_ptr(again.as_ptr());
            assert_eq!(same, text.as_c_str());
        }
        ok(zmq_curve_public(again.as_mut_ptr(), text.as_ptr()));
    }
}

/// # Safety
/// It is given a counter that outlives it.
unsafe extern "C" fn count(counter: *mut c_void) {
    // SAFETY: the same as ours.
    unsafe { zmq_atomic_counter_inc(counter) };
}

/// One of them.
pub fn use_some(dice: &mut Dice<'_>) {
    // SAFETY: counters, stopwatches and threads are NULL or not ended, and there is room for what
    // is written.
    unsafe {
        match dice.octet() % 6 {
            0 => {
                let mut counter = zmq_atomic_counter_new();
                for octet in dice.octets(8) {
                    zmq_atomic_counter_set(counter, c_int::from(*octet));
                    zmq_atomic_counter_dec(counter);
                }
                zmq_atomic_counter_inc(ptr::null_mut());
                zmq_atomic_counter_destroy(&mut counter);
                zmq_atomic_counter_destroy(&mut counter);
            }
            1 => {
                let mut counter = zmq_atomic_counter_new();
                let threads = [(); 2].map(|()| zmq_threadstart(Some(count), counter));
                for thread in threads {
                    zmq_threadclose(thread);
                }
                assert_eq!(zmq_atomic_counter_value(counter), 2);
                zmq_atomic_counter_destroy(&mut counter);
                judge(zmq_threadstart(None, counter), ptr::null_mut());
            }
            2 => {
                let watch = zmq_stopwatch_start();
                zmq_sleep(-dice.number().saturating_abs());
                zmq_stopwatch_intermediate(watch);
                zmq_stopwatch_stop(watch);
                zmq_stopwatch_stop(ptr::null_mut());
            }
            3 => {
                let name = CString::new(dice.octets(6).to_vec()).unwrap_or_default();
                zmq_has(name.as_ptr());
                let number = dice.number();
                assert!(!CStr::from_ptr(zmq_strerror(number)).is_empty());
            }
            4 => {
                let (mut major, mut patch) = (0, 0);
                zmq_version(&mut major, ptr::null_mut(), &mut patch);
                assert_eq!((major, patch), (4, 6));
            }
            _ => {
                let (mut public, mut secret) = ([0 as c_char; 41], [0 as c_char; 41]);
                ok(zmq_curve_keypair(public.as_mut_ptr(), secret.as_mut_ptr()));
                ok(zmq_curve_keypair(ptr::null_mut(), secret.as_mut_ptr()));
            }
        }
    }
}
