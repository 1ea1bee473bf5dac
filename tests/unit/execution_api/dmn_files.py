"""A small DMN file for the tests of the execution API."""

RATES = """<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="f" name="f" namespace="test">
  <decision id="rates" name="Rates"><decisionTable hitPolicy="FIRST">
    <input><inputExpression><text>amount</text></inputExpression></input><output name="rate" />
    <rule><inputEntry><text>&lt; 100</text></inputEntry><outputEntry><text>"low"</text></outputEntry></rule>
  </decisionTable></decision>
</definitions>"""
