"""Every configuration file of others against independently counted elements."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from defusedxml import ElementTree

from drivers.iec61850 import model, scl
from drivers.iec61850.scl.tree import SclError

REFUSED = {
    "libiec61850/sampleModel_errors.icd": "line 20: AccessPoint without its attribute 'name'",
    "openscd/invalid2007B.scd": "line 8: Substation without its attribute 'name'",
    "openscd/parsererror.iid": "not well-formed XML, line 1",
}


def expected(shared: Path) -> dict[str, Any]:
    counts: dict[str, Any] = json.loads((shared / "data/scl/expected_counts.json").read_text())
    return counts


def test_all_files_are_known_by_name(shared: Path) -> None:
    assert len(expected(shared)) == 29
    assert set(REFUSED) <= set(expected(shared))


def test_every_valid_file_has_the_counted_elements(shared: Path) -> None:
    for name, counts in expected(shared).items():
        if name in REFUSED:
            continue
        document = scl.read(shared / "data/scl" / name)
        assert document.counts == {tag: counts[tag] for tag in document.counts}, name
        ieds = [
            {"name": ied.name, "manufacturer": ied.manufacturer, "type": ied.type}
            for ied in document.ieds
        ]
        assert ieds == counts["ieds"], name
        assert document.version == counts["version"], name
        assert document.revision == counts["revision"], name
        assert document.release == counts["release"], name


def test_every_valid_file_has_the_listed_addresses(shared: Path) -> None:
    for name, counts in expected(shared).items():
        if name in REFUSED:
            continue
        document = scl.read(shared / "data/scl" / name)
        addresses = [{"ied": a.ied, "ap": a.access_point, "ip": a.ip} for a in document.addresses]
        assert addresses == counts["ip"], name
        gooses = [
            {
                "ied": g.ied,
                "ldInst": g.device,
                "cbName": g.control_block,
                "VLAN-ID": g.vlan_id,
                "VLAN-PRIORITY": g.vlan_priority,
                "MAC-Address": g.mac,
                "APPID": g.appid,
            }
            for g in document.gooses
        ]
        assert gooses == [fill(g) for g in counts["gse_addresses"]], name


def fill(goose: dict[str, str]) -> dict[str, str | None]:
    keys = ("ied", "ldInst", "cbName", "VLAN-ID", "VLAN-PRIORITY", "MAC-Address", "APPID")
    return {key: goose.get(key) for key in keys}


@pytest.mark.parametrize("name", REFUSED)
def test_a_faulty_file_is_refused_with_line_and_reason(shared: Path, name: str) -> None:
    with pytest.raises(SclError) as refusal:
        scl.read(shared / "data/scl" / name)
    assert REFUSED[name] in str(refusal.value)


def test_what_vendors_hide_in_private_elements_is_counted_but_not_imported(shared: Path) -> None:
    document = scl.read(shared / "data/scl/compas-demo-substation.scd")
    nodes = [node for ied in document.ieds for device in ied.devices for node in device.nodes]
    assert sum(len(node.data_sets) for node in nodes) == 34
    assert document.counts["DataSet"] == 53


def test_the_import_keeps_every_node_data_set_and_control_block(shared: Path) -> None:
    for name, counts in expected(shared).items():
        if name in REFUSED:
            continue
        document = scl.read(shared / "data/scl" / name)
        nodes = [node for ied in document.ieds for d in ied.devices for node in d.nodes]
        tree = ElementTree.parse(shared / "data/scl" / name)
        served = [e for device in tree.iterfind(".//{*}LDevice") for e in device]
        assert len(nodes) == sum(e.tag.endswith(("}LN", "}LN0")) for e in served), name
        assert sum(len(node.reports) for node in nodes) == counts["ReportControl"], name
        assert sum(len(node.gooses) for node in nodes) == counts["GSEControl"], name
        members = [m for node in nodes for members in node.data_sets.values() for m in members]
        assert len(members) == len(tree.findall(".//{*}DataSet/{*}FCDA")), name


def test_dangling_types_are_told_with_their_line(shared: Path) -> None:
    document = scl.read(shared / "data/scl/openscd/valid2007B4.scd")
    missing = "line 255: LN refers to LNodeType 'Dummy.THARDE', which does not exist"
    assert missing in document.warnings


@pytest.mark.parametrize("name", ["libiec61850/simpleIO_ltrk_tests.icd", "openscd/valid2007B4.scd"])
def test_a_file_with_wrong_octets_is_read_or_refused(shared: Path, name: str) -> None:
    chance = random.Random(name)
    raw = (shared / "data/scl" / name).read_bytes()
    refused: list[str] = []
    for _ in range(60):
        octets = bytearray(raw)
        for _ in range(chance.randint(1, 4)):
            octets[chance.randrange(len(octets))] = chance.choice(b'0Xz<>"/ \xff&')
        try:
            document = scl.read(bytes(octets))
        except SclError as refusal:
            refused.append(str(refusal))
        else:
            for ied in document.ieds:
                model.from_scl(ied)
    assert 0 < len(refused) < 60
    assert all("line " in reason for reason in refused)
