"""What a person is told to do depends on whose the element is."""

from hookfetch.engine.advice import advice

REFUSED = "up.example: 10.0.0.7 is a private address"


def test_a_private_host_is_for_the_project_to_name_and_for_a_client_s_element_for_the_operator() -> None:
    assert "have the project name it" in (advice(REFUSED) or "")
    assert "that the operator names" in (advice(REFUSED, of_client=True) or "")


def test_who_brings_an_element_is_not_told_of_accounts_and_mirrors_that_are_none_of_its() -> None:
    for said in ("could not read Username", "the read timed out", "connection refused"):
        assert advice(said) is not None
        assert advice(said, of_client=True) is None
