//! Headers: a line for each rule of RFC 6455 §5.2 and §5.5, and the round trip.

use proptest::prelude::*;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::{FrameHeader, encode_header, header_len};
use crate::{Role, error::ProtocolError};

fn check_refused(role: Role, bytes: &[u8], expect: ProtocolError) {
    // Refused at the first bad byte: no prefix that lacks the last byte is refused already.
    assert_eq!(FrameHeader::parse(bytes, role), Err(expect), "{bytes:02x?}");
    assert_eq!(FrameHeader::parse(&bytes[..bytes.len() - 1], role), Ok(None), "{bytes:02x?}");
}

#[test]
fn section_5_2_reserved_bits_are_refused_at_the_first_byte() {
    for bits in [0x20, 0x10, 0x30, 0x60, 0x50, 0x70] {
        check_refused(Role::Server, &[0x81 | bits], ProtocolError::ReservedBits);
    }
    for control in [0xc8, 0xc9, 0xca] {
        check_refused(Role::Server, &[control], ProtocolError::ReservedBits);
    }
}

#[test]
fn section_5_2_reserved_opcodes_are_refused_at_the_first_byte() {
    for code in (3..=7).chain(11..=15) {
        check_refused(Role::Server, &[0x80 | code], ProtocolError::ReservedOpcode(code));
    }
}

#[test]
fn section_5_1_the_mask_bit_must_fit_the_role() {
    check_refused(Role::Server, &[0x81, 0x05], ProtocolError::UnmaskedFromClient);
    check_refused(Role::Client, &[0x81, 0x85], ProtocolError::MaskedFromServer);
}

#[test]
fn section_5_5_control_frames_are_short_and_whole() {
    check_refused(Role::Server, &[0x89, 0xfe], ProtocolError::LongControlFrame);
    check_refused(Role::Server, &[0x09, 0x80], ProtocolError::FragmentedControlFrame);
}

#[test]
fn section_5_2_lengths_are_minimal_and_63_bits() {
    check_refused(Role::Client, &[0x82, 126, 0, 125], ProtocolError::LengthNotMinimal);
    check_refused(
        Role::Client,
        &[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
        ProtocolError::LengthNotMinimal,
    );
    check_refused(Role::Client, &[0x82, 127, 0x80], ProtocolError::LengthTooBig);
}

proptest! {
    #[test]
    fn any_header_comes_out_as_it_went_in(
        fin: bool, rsv1: bool, code in 0u8..3, len in prop_oneof![0usize..300, 65_000usize..66_000, 0usize..1 << 40],
        key: Option<[u8; 4]>,
    ) {
        let mut wire = Vec::new();
        encode_header(&mut wire, fin, rsv1, OpCode::from(code), len, key);
        prop_assert_eq!(wire.len(), header_len(len, key.is_some()));
        let role = if key.is_some() { Role::Server } else { Role::Client };
        let header = FrameHeader { fin, rsv1, opcode: OpCode::from(code), mask: key, len: len as u64 };
        prop_assert_eq!(FrameHeader::parse(&wire, role), Ok(Some((header, wire.len()))));
        for cut in 0..wire.len() {
            prop_assert_eq!(FrameHeader::parse(&wire[..cut], role), Ok(None));
        }
    }
}

#[test]
fn opcodes_keep_their_numbers() {
    for (opcode, number) in [
        (OpCode::Data(Data::Continue), 0),
        (OpCode::Data(Data::Text), 1),
        (OpCode::Data(Data::Binary), 2),
        (OpCode::Control(Control::Close), 8),
        (OpCode::Control(Control::Ping), 9),
        (OpCode::Control(Control::Pong), 10),
    ] {
        assert_eq!(u8::from(opcode), number);
    }
}
