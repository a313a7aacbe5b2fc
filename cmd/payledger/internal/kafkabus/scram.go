package kafkabus

import (
	"context"

	"github.com/twmb/franz-go/pkg/sasl"
)

// scramClient lets sarama use the SCRAM implementation of franz-go, which we have anyway.
type scramClient struct {
	mechanism sasl.Mechanism
	session   sasl.Session
	first     []byte
	done      bool
}

// Begin implements sarama.SCRAMClient. User and password are those of the mechanism.
func (s *scramClient) Begin(_, _, _ string) (err error) {
	s.session, s.first, err = s.mechanism.Authenticate(context.Background(), "")
	return err
}

// Step implements sarama.SCRAMClient: the first call has no challenge.
func (s *scramClient) Step(challenge string) (string, error) {
	if s.first != nil {
		first := s.first
		s.first = nil
		return string(first), nil
	}
	done, response, err := s.session.Challenge([]byte(challenge))
	s.done = done
	return string(response), err
}

// Done implements sarama.SCRAMClient.
func (s *scramClient) Done() bool { return s.done }
