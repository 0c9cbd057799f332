/// A change of the group's membership, as it is proposed and as it lies in an entry.
package struct ConfChange: Sendable, Hashable {
    package enum Action: UInt64, Sendable {
        case addVoter = 0
        case remove = 1
        /// Nothing changes for the core; the address behind the id may have.
        case update = 2
        case addLearner = 3
    }

    package struct Step: Sendable, Hashable {
        package var action: Action
        package var replica: ReplicaID

        package init(_ action: Action, _ replica: ReplicaID) {
            self.action = action
            self.replica = replica
        }
    }

    package enum Transition: UInt64, Sendable {
        /// One step: a simple change. More: joint, left by itself.
        case auto = 0
        /// Joint, left by itself.
        case jointImplicit = 1
        /// Joint, left by a further proposal without steps.
        case jointExplicit = 2
    }

    /// No steps and `auto` leave a joint configuration.
    package var steps: [Step]
    package var transition: Transition
    /// Opaque to the core.
    package var context: [UInt8]
    /// Written in the older form with exactly one step.
    package var isSingleStepForm: Bool

    package init(
        _ steps: [Step], transition: Transition = .auto, context: [UInt8] = [], isSingleStepForm: Bool = false
    ) {
        precondition(!isSingleStepForm || (steps.count == 1 && transition == .auto), "single-step form needs one step")
        self.steps = steps
        self.transition = transition
        self.context = context
        self.isSingleStepForm = isSingleStepForm
    }

    package static let leaveJoint = ConfChange([])

    package var leavesJoint: Bool { steps.isEmpty && transition == .auto }

    /// Whether the change goes through a joint configuration, and if so whether that is left by itself.
    package var jointAutoLeave: Bool? {
        switch transition {
        case .auto: steps.count > 1 ? true : nil
        case .jointImplicit: true
        case .jointExplicit: false
        }
    }
}
