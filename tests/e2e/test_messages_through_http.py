"""A message finds its instance through HTTP, and what it opens is worked on by a pod."""

from live_fleet import LiveFleet, until

PAYMENT = """<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="file" targetNamespace="test">
  <bpmn:process id="paid_order" isExecutable="true">
    <bpmn:startEvent id="start"/>
    <bpmn:intermediateCatchEvent id="wait_for_money">
      <bpmn:messageEventDefinition messageRef="paid"/>
    </bpmn:intermediateCatchEvent>
    <bpmn:serviceTask id="ship">
      <bpmn:extensionElements><zeebe:taskDefinition type="echo"/></bpmn:extensionElements>
    </bpmn:serviceTask>
    <bpmn:endEvent id="shipped"><bpmn:signalEventDefinition signalRef="done"/></bpmn:endEvent>
    <bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="wait_for_money"/>
    <bpmn:sequenceFlow id="f2" sourceRef="wait_for_money" targetRef="ship"/>
    <bpmn:sequenceFlow id="f3" sourceRef="ship" targetRef="shipped"/>
  </bpmn:process>
  <bpmn:message id="paid" name="paid">
    <bpmn:extensionElements><zeebe:subscription correlationKey="=order"/></bpmn:extensionElements>
  </bpmn:message>
  <bpmn:signal id="done" name="order shipped"/>
</bpmn:definitions>"""

REPORT = """<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="file" targetNamespace="test">
  <bpmn:process id="shipping_report" isExecutable="true">
    <bpmn:startEvent id="start"><bpmn:signalEventDefinition signalRef="done"/></bpmn:startEvent>
    <bpmn:endEvent id="end"/>
    <bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="end"/>
  </bpmn:process>
  <bpmn:signal id="done" name="order shipped"/>
</bpmn:definitions>"""


def test_a_message_moves_the_instance_with_its_key_on_and_its_end_starts_another_process(fleet: LiveFleet) -> None:
    for model in (PAYMENT, REPORT):
        fleet.deploy(model)
    paid, unpaid = fleet.start("paid_order", order="17"), fleet.start("paid_order", order="18")
    body = {"name": "paid", "correlation_key": "17", "variables": {"amount": 49.9}}
    assert fleet.api.post("/messages", body)["proc_inst_id"] == paid
    instance = fleet.ended(paid)
    assert (instance["status"], instance["variables"]["echo"]["amount"]) == ("COMPLETED", 49.9)
    assert fleet.instance(unpaid)["status"] == "RUNNING"
    until(lambda: fleet.api.get("/instances", definition="shipping_report", status="COMPLETED")["items"] or None)
