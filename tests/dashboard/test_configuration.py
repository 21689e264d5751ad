import tomllib

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_cache import populate_hash_if_needed

from services.home import toolkit_root


def test_no_message_is_sent_by_its_hash_alone():
    message = ForwardMsg()
    message.delta.new_element.markdown.body = "x" * 1_000_000

    populate_hash_if_needed(message)

    assert not message.metadata.cacheable


def test_the_server_listens_to_this_machine_alone():
    set_up = tomllib.loads((toolkit_root() / ".streamlit" / "config.toml").read_text())

    assert set_up["server"]["address"] == "127.0.0.1"
    assert not set_up["browser"]["gatherUsageStats"]
