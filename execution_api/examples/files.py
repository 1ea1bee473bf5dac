"""Small BPMN and DMN files for the documentation of the API."""

BPMN = """<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="refund_file" targetNamespace="http://example.org/refund">
  <bpmn:process id="refund" name="Refund" isExecutable="true">
    <bpmn:startEvent id="asked" />
    <bpmn:sequenceFlow id="to_decide" sourceRef="asked" targetRef="decide" />
    <bpmn:userTask id="decide" name="Decide the refund">
      <bpmn:extensionElements>
        <zeebe:assignmentDefinition candidateGroups="support" />
      </bpmn:extensionElements>
    </bpmn:userTask>
    <bpmn:sequenceFlow id="to_done" sourceRef="decide" targetRef="done" />
    <bpmn:endEvent id="done" />
  </bpmn:process>
</bpmn:definitions>
"""

DMN = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="refund_rules" name="Refund rules"
    namespace="http://example.org/refund">
  <decision id="refund_limit" name="Refund limit">
    <decisionTable hitPolicy="FIRST">
      <input label="Amount"><inputExpression><text>amount</text></inputExpression></input>
      <output name="approval" />
      <rule><inputEntry><text>&lt; 50</text></inputEntry><outputEntry><text>"none"</text></outputEntry></rule>
      <rule><inputEntry><text>-</text></inputEntry><outputEntry><text>"manager"</text></outputEntry></rule>
    </decisionTable>
  </decision>
</definitions>
"""
