"""Device attributes (group 0): self-describing values, one for each variation."""

import enum
import struct

from msgspec import Struct

from .app import Block

Value = str | int | float | bytes | tuple[tuple[int, bool], ...]

NAMES = {
    211: "user_specific_sets",
    212: "master_data_set_prototypes",
    213: "outstation_data_set_prototypes",
    214: "master_data_sets",
    215: "outstation_data_sets",
    216: "max_binary_outputs_per_request",
    217: "local_timing_accuracy_us",
    218: "supports_duration_of_time_accuracy",
    219: "supports_analog_output_events",
    220: "max_analog_output_index",
    221: "number_of_analog_outputs",
    222: "supports_binary_output_events",
    223: "max_binary_output_index",
    224: "number_of_binary_outputs",
    225: "supports_frozen_counter_events",
    226: "supports_frozen_counters",
    227: "supports_counter_events",
    228: "max_counter_index",
    229: "number_of_counters",
    230: "supports_frozen_analog_inputs",
    231: "supports_analog_input_events",
    232: "max_analog_input_index",
    233: "number_of_analog_inputs",
    234: "supports_double_bit_events",
    235: "max_double_bit_index",
    236: "number_of_double_bit_inputs",
    237: "supports_binary_input_events",
    238: "max_binary_input_index",
    239: "number_of_binary_inputs",
    240: "max_transmit_fragment",
    241: "max_receive_fragment",
    242: "software_version",
    243: "hardware_version",
    245: "location",
    246: "user_id",
    247: "device_name",
    248: "serial_number",
    249: "dnp3_subset",
    250: "product_name",
    252: "manufacturer",
    254: "all_attributes",
    255: "list_of_variations",
}


class AttributeType(enum.IntEnum):
    """The data type octet."""

    VISIBLE_STRING = 1
    UNSIGNED = 2
    SIGNED = 3
    FLOAT = 4
    OCTETS = 5
    BITS = 6
    TIME = 7
    LIST = 254


class Attribute(Struct, frozen=True):
    """value of a list: pairs of variation and whether it can be written."""

    variation: int
    value: Value
    type: int = AttributeType.VISIBLE_STRING

    @property
    def name(self) -> str:
        return NAMES.get(self.variation, f"attribute_{self.variation}")

    def encode(self) -> bytes:
        """Type, length and value; ValueError when it is longer than 255 octets."""
        match self.type:
            case AttributeType.VISIBLE_STRING:
                data = str(self.value).encode()
            case AttributeType.UNSIGNED if isinstance(self.value, int):
                data = self.value.to_bytes(4, "little")
            case AttributeType.SIGNED if isinstance(self.value, int):
                data = self.value.to_bytes(4, "little", signed=True)
            case AttributeType.FLOAT if isinstance(self.value, (int, float)):
                data = struct.pack("<d", self.value)
            case AttributeType.LIST if isinstance(self.value, tuple):
                data = b"".join(bytes((number, writable)) for number, writable in self.value)
            case _ if isinstance(self.value, bytes):
                data = self.value
            case _:
                raise ValueError(f"attribute {self.name} cannot be {self.value!r}")
        if len(data) > 255:
            raise ValueError(f"attribute {self.name} is longer than 255 octets")
        return bytes((self.type, len(data))) + data


def _value(kind: int, data: bytes) -> Value:  # noqa: PLR0911 - one line a type
    match kind:
        case AttributeType.VISIBLE_STRING:
            return data.decode("utf-8", "replace")
        case AttributeType.UNSIGNED | AttributeType.TIME:
            return int.from_bytes(data, "little")
        case AttributeType.SIGNED:
            return int.from_bytes(data, "little", signed=True)
        case AttributeType.FLOAT if len(data) == 4:
            return float(struct.unpack("<f", data)[0])
        case AttributeType.FLOAT if len(data) == 8:
            return float(struct.unpack("<d", data)[0])
        case AttributeType.LIST | 255:
            return tuple((data[at], bool(data[at + 1] & 1)) for at in range(0, len(data) - 1, 2))
    return data


def attributes(block: Block) -> list[Attribute]:
    """The attributes of a block; its length has been checked against the octets there."""
    out, at, data = [], 0, block.data
    while at + block.prefix + 2 <= len(data):
        at += block.prefix
        kind, size = data[at], data[at + 1]
        out.append(Attribute(block.number, _value(kind, data[at + 2 : at + 2 + size]), kind))
        at += 2 + size
    return out
