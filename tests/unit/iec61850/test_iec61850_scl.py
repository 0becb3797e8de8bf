"""SCL: what is refused, how names and types are made."""

import pytest

from drivers.iec61850 import model, scl
from drivers.iec61850.mms import data
from drivers.iec61850.mms.pdu import ObjectName
from drivers.iec61850.scl.tree import SclError

HEAD = '<SCL xmlns="http://www.iec.ch/61850/2003/SCL" version="2007" revision="B">'
BODY = """
<IED name="R1"><AccessPoint name="P1"><Server><LDevice inst="LD0">
<LN0 lnClass="LLN0" inst="" lnType="N0">
<DataSet name="ds">
<FCDA ldInst="LD0" prefix="Q" lnClass="GGIO" lnInst="1" doName="Ind.sub" daName="stVal" fc="ST"/>
</DataSet>
<ReportControl name="rcb" datSet="ds" rptID="r" confRev="3" buffered="true" indexed="{indexed}">
<TrgOps dchg="true"/><OptFields seqNum="true"/><RptEnabled max="2"/></ReportControl>
</LN0></LDevice></Server></AccessPoint></IED>
<DataTypeTemplates>
<LNodeType id="N0" lnClass="LLN0"><DO name="Mod" type="D"/></LNodeType>
<DOType id="D" cdc="ENC"><DA name="stVal" bType="Enum" type="E" fc="ST" dchg="true"/>
<DA name="q" bType="Quality" fc="ST"/><DA name="set" bType="FLOAT32" fc="SE"/></DOType>
<EnumType id="E"><EnumVal ord="1">on</EnumVal></EnumType>
</DataTypeTemplates></SCL>"""


def text(indexed: str = "true") -> bytes:
    return (HEAD + BODY.replace("{indexed}", indexed)).encode()


def test_names_of_mms_are_made_as_the_mapping_says() -> None:
    ied = scl.read(text()).ied("R1")
    (device,) = ied.devices
    assert device.domain == "R1LD0"
    assert device.nodes[0].data_sets["ds"] == (ObjectName("QGGIO1$ST$Ind$sub$stVal", "R1LD0"),)
    assert device.nodes[0].reports[0].names == ("rcb01", "rcb02")
    assert scl.read(text("false")).ied().devices[0].nodes[0].reports[0].names == ("rcb",)


def test_types_are_those_that_a_device_would_tell() -> None:
    found = model.from_scl(scl.read(text()).ied())
    status = found.type_of(ObjectName("LLN0$ST$Mod", "R1LD0"))
    assert status is not None
    assert list(status.fields) == ["stVal", "q"]
    assert status.fields["q"].kind == data.BIT_STRING
    for fc in ("SG", "SE"):
        assert found.type_of(ObjectName(f"LLN0${fc}$Mod$set", "R1LD0")) is not None


def test_the_only_ied_needs_no_name_and_a_wrong_one_lists_what_there_is() -> None:
    with pytest.raises(LookupError, match="it has: R1"):
        scl.read(text()).ied("R2")


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + HEAD + "&b;</SCL>"
OUTSIDE = f'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>{HEAD}&a;</SCL>'


@pytest.mark.parametrize("octets", [BOMB, OUTSIDE, f"<!DOCTYPE SCL>{HEAD}</SCL>"])
def test_entities_and_document_types_are_refused(octets: str) -> None:
    with pytest.raises(SclError, match="line 1: document types and entities are refused"):
        scl.read(octets.encode())


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "not well-formed XML, line 1"),
        (b"\x00\x01", "not well-formed XML, line 1"),
        (b"<html/>", "root element must be SCL"),
        (HEAD.encode() + b"\n<IED/></SCL>", "line 2: IED without its attribute 'name'"),
        (HEAD.encode() + b"\n<IED name='a'>", "not well-formed XML, line 2"),
        (HEAD.encode() + b"<Private>" * 100 + b"</SCL>", "nested deeper"),
        (b"<?xml version='1.0' encoding='nix'?><SCL/>", "line 1"),
    ],
)
def test_a_faulty_file_is_refused_with_its_line(octets: bytes, reason: str) -> None:
    with pytest.raises(SclError, match=reason):
        scl.read(octets)


def test_a_type_that_contains_itself_is_refused() -> None:
    loop = text().replace(b'<DA name="q" bType="Quality" fc="ST"/>', b'<SDO name="s" type="D"/>')
    with pytest.raises(SclError, match="contains itself"):
        scl.read(loop)


def test_types_that_double_at_every_level_are_refused_at_once() -> None:
    levels = "".join(
        f'<DOType id="D{n}" cdc="X">'
        f'<SDO name="a" type="D{n + 1}"/><SDO name="b" type="D{n + 1}"/></DOType>'
        for n in range(40)
    )
    last = f'{levels}<DOType id="D40" cdc="ENC">'
    octets = text().replace(b'<DOType id="D" cdc="ENC">', last.encode())
    with pytest.raises(SclError, match="attributes"):
        scl.read(octets.replace(b'name="Mod" type="D"', b'name="Mod" type="D0"'))
